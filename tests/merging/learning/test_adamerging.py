"""Coefficients that make predictions certain."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.merging.conftest import trained
from tests.merging.learning.problems import line, problem
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging import Experts, adamerging, entropy, merge_state_dicts
from polytask.merging.learning.changes import Changes
from polytask.merging.learning.trimming import trim


def test_entropy_by_hand() -> None:
    assert float(entropy(torch.zeros(5, 4), "t")) == pytest.approx(math.log(4))
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    wanted = (-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) + math.log(2)) / 2
    assert float(entropy(logits, "t")) == pytest.approx(wanted)


def test_a_step_of_adam_is_the_rate() -> None:
    experts = line([0.0, 0.0], a=[1.0, 0.0], b=[0.0, 1.0])
    learned = adamerging(experts, steps=1, rate=0.01, start=0.3)
    # Both coefficients add to one logit each; equal logits have no gradient at all.
    assert learned.coefficients == {"a": {"weight": 0.3}, "b": {"weight": 0.3}}
    surer = line([1.0, 0.0], a=[2.0, 0.0], b=[1.0, 1.0])
    learned = adamerging(surer, steps=1, rate=0.01, start=0.3)
    assert learned.coefficients == {"a": {"weight": 0.31}, "b": {"weight": 0.29}}
    torch.testing.assert_close(learned.state["weight"], torch.tensor([1.31, 0.29]))


def test_coefficients_stay_between_0_and_1() -> None:
    learned = adamerging(line([1.0, 0.0], a=[2.0, 0.0], b=[1.0, 1.0]), steps=30, rate=0.1)
    assert learned.coefficients == {"a": {"weight": 1.0}, "b": {"weight": 0.0}}


@pytest.mark.parametrize("each", ["task", "tensor"])
@pytest.mark.parametrize("density", [None, 0.3])
def test_entropy_falls(each: Any, density: float | None) -> None:
    found = problem()
    learned = adamerging(found.experts, each=each, density=density, steps=40, rate=1e-2)
    assert len(learned.losses) == 40
    assert learned.losses[-1] < 0.8 * learned.losses[0]
    names = [""] if each == "task" else list(found.experts.base)
    assert {task: [*row] for task, row in learned.coefficients.items()} == dict.fromkeys(
        "ab", names
    )


@pytest.mark.parametrize("each", ["task", "tensor"])
def test_without_steps_it_is_task_arithmetic(each: Any) -> None:
    experts = problem().experts
    learned = adamerging(experts, each=each, steps=0, start=0.4)
    models = list(experts.models.values())
    wanted = merge_state_dicts("task_arithmetic", base=experts.base, models=models, scale=0.4)
    for name, value in wanted.items():
        torch.testing.assert_close(learned.state[name], value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_trimmed_task_vectors_add_up_to_ties(density: float) -> None:
    base, models = trained(3)
    wanted = merge_state_dicts("ties", base=base, models=models, density=density, normalise=False)
    learned = adamerging(of(base, models), density=density, steps=0, start=1.0)
    for name, value in wanted.items():
        torch.testing.assert_close(learned.state[name], value, rtol=1e-5, atol=1e-6)


def of(base: dict[str, Tensor], models: list[dict[str, Tensor]]) -> Experts:
    """Models of any names, that are never called."""
    return Experts(
        model=Holder(base),
        base=base,
        models={str(index): model for index, model in enumerate(models)},
        batches={str(index): [None] for index in range(len(models))},
        outputs=lambda model, task, batch: torch.zeros(2),
    )


class Holder(nn.Module):
    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self._state = state

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return dict(self._state)


def test_conflicting_elements_are_dropped_one_by_one() -> None:
    changes = Changes(line([0.0] * 4, a=[3.0, -1.0, 2.0, 0.1], b=[-1.0, -2.0, 0.2, 3.0]))
    trim(changes, 0.75)
    wanted = [[3.0, -1.0, 2.0, 0.0], [0.0, -2.0, 0.0, 3.0]]
    assert changes.stacked["weight"].tolist() == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps: must be an integer of at least 0"),
        ({"steps": 2.0}, "steps"),
        ({"rate": 0}, "rate: must be positive"),
        ({"rate": "fast"}, "rate: must be a finite number"),
        ({"each": "layer"}, "unknown each 'layer'"),
        ({"density": 0}, "density"),
        ({"density": 1.2}, "density"),
        ({"density": [0.1, 0.2]}, r"density: must be a finite number, got \[0.1, 0.2\]"),
        ({"start": math.nan}, "start: must be a finite number"),
        ({"start": 5}, r"start: must be in \[0, 1\], got 5"),
        ({"start": -2}, r"start: must be in \[0, 1\], got -2"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        adamerging(line([0.0, 0.0], a=[1.0, 2.0]), **{"steps": 1, **options})


def test_models_that_learned_nothing() -> None:
    with pytest.raises(InputError, match="models: none differs from the base"):
        adamerging(line([1.0, 0.0], a=[1.0, 0.0]), steps=1)
