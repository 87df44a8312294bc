"""Every registered balancer keeps the promises of its contract, and so does a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from polytask.balance import BALANCERS, Balancer, GramianWeighting, Losses, get
from polytask.balance.balancer import GradientBalancer
from polytask.testing import BalancerContract, GradientContract
from polytask.testing.problem import NAMES


@dataclass(frozen=True, kw_only=True)
class Case:
    """A method with options, and what holds for it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    holds: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        words = [self.name, *map(str, self.options.values())]
        return "Test" + "".join(
            x for x in "_".join(words).title().replace("+", "Plus") if x.isalnum()
        )


SPECIAL = [
    Case(name="rlw", holds={"symmetric": False}),
    Case(name="mgda", holds={"non_conflicting": True}),
    Case(
        name="mgda", options={"normalisation": "l2"}, holds={"non_conflicting": True, "degree": 0}
    ),
    Case(name="mgda", options={"normalisation": "loss"}, holds={"non_conflicting": True}),
    Case(
        name="mgda",
        options={"normalisation": "loss+"},
        holds={"non_conflicting": True, "degree": 0},
    ),
    Case(name="pcgrad", holds={"symmetric": False}),
    Case(name="cagrad"),
    Case(name="cagrad", options={"c": 0.9, "rescale": "square"}),
    Case(name="nash_mtl", holds={"degree": 0}),
    Case(name="upgrad", holds={"non_conflicting": True}),
    Case(name="grad_drop"),
    Case(name="grad_drop", options={"leak": {"north": 0.5}}),
    Case(name="grad_vac", holds={"symmetric": False}),
    Case(name="dual_proj", holds={"non_conflicting": True}),
    Case(name="pcd", options={"primary": "north", "tau": 0.1}),
    Case(name="fair_grad", holds={"degree": -1 / 3}),
    Case(name="pivrg", options={"baselines": dict.fromkeys(NAMES, 0.1)}, holds={"degree": -1 / 3}),
    Case(name="modo", holds={"degree": None}),
    Case(name="moco", holds={"degree": 0}),
    Case(name="moco", options={"normalise": False}, holds={"degree": None}),
    Case(name="momentum_config", holds={"degree": 0}),
    Case(name="db_mtl"),
    Case(name="db_mtl", options={"momentum": 0.0}),
    Case(name="cr_mogm"),
    Case(name="cr_mogm", options={"base": "upgrad"}),
    Case(name="cr_mogm", options={"base": "imtl"}),
]
"""Methods with declarations or options; all others are tested with neither."""

CASES = SPECIAL + [
    Case(name=name) for name in BALANCERS if name not in {case.name for case in SPECIAL}
]


def contract(case: Case) -> type[BalancerContract]:
    """A test class for one case."""
    looks_at_gradients = issubclass(BALANCERS.get(case.name), GradientBalancer)
    base = GradientContract if looks_at_gradients else BalancerContract

    class Tested(base):
        def balancer(self) -> Balancer:
            return get(case.name, **case.options)

    for name, value in case.holds.items():
        assert hasattr(base, name)
        setattr(Tested, name, value)
    Tested.__name__ = Tested.__qualname__ = case.title
    return Tested


globals().update({found.__name__: found for found in map(contract, CASES)})


@dataclass(kw_only=True, eq=False)
class UnitLength(GramianWeighting):
    """A user's own method: the mean of unit gradients. Nothing of polytask knows it."""

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        lengths = gramian.diagonal().sqrt()
        return torch.where(lengths > 0, self.shares(losses) / lengths, 0.0)


class TestUsersOwn(GradientContract):
    degree = 0

    def balancer(self) -> Balancer:
        return UnitLength()


def test_the_names_of_the_problem_are_told_apart() -> None:
    assert not any(first in second for first in NAMES for second in NAMES if first != second)
