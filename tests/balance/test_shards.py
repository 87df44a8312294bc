"""What a shared part under ``fully_shard`` is refused; what it may have is in `test_processes`."""

from __future__ import annotations

from typing import Any

import pytest

from polytask.balance import Accumulation, ExcessMTL, MoDo, PCGrad, UncertaintyWeighting
from polytask.balance.balancer import Balancer
from polytask.errors import InputError
from polytask.testing.problem import Problem


@pytest.fixture(autouse=True)
def sharded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusals come before any process talks to another."""
    monkeypatch.setattr("polytask.balance.engine.step.is_sharded", lambda _: True)


@pytest.mark.parametrize(
    ("balancer", "options", "said"),
    [
        (PCGrad(), {"cost": "features"}, "cost='features': .* use cost='exact'"),
        (UncertaintyWeighting(), {"cost": "last_block"}, "cost='last_block': .* use cost='exact'"),
        (PCGrad(), {"memory": "low"}, "memory='low': .* leave memory out"),
        (MoDo(), {}, "MoDo: fully_shard allows one batch per step; take 'mgda'"),
        (ExcessMTL(), {}, "ExcessMTL needs whole gradients, .* weighs by the Gramian"),
    ],
)
def test_refusals_say_what_to_do(balancer: Balancer, options: dict[str, Any], said: str) -> None:
    problem = Problem()
    losses, features = problem.losses()
    with pytest.raises(InputError, match=said):
        problem.differentiate(balancer, losses, features, **options)


def test_accumulation_is_refused() -> None:
    problem = Problem()
    with pytest.raises(InputError, match=r"Accumulation: .* use backward"):
        Accumulation(PCGrad(), tasks=["a"], shared=problem.trunk.parameters())
