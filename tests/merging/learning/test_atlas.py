"""Task vectors as a basis, and places between models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.merging.learning.problems import cross_entropy, line, problem
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import atlas, self_positioning
from polytask.merging.learning.atlas import _Blocks
from polytask.merging.learning.changes import Changes


def to(target: list[float]) -> Any:
    """The squared distance of a vector to another one."""
    return lambda outputs, task, batch: (outputs - torch.tensor(target)).square().sum()


def test_a_block_of_each_task_vector_has_its_factor() -> None:
    experts = replace(line([1.0, 0.0], a=[2.0, 0.0], b=[1.0, 1.0]), batches={"other": [None]})
    learned = atlas(experts, to([3.0, -1.0]), steps=200, decay=0.0)
    torch.testing.assert_close(
        learned.state["weight"], torch.tensor([3.0, -1.0]), atol=0.02, rtol=0
    )
    found = learned.coefficients
    assert found["a"]["weight"] == pytest.approx(2.0, abs=0.02)
    assert found["b"]["weight"] == pytest.approx(-1.0, abs=0.02)
    assert learned.losses[0] == pytest.approx(5.0)


def test_without_steps_it_is_the_base() -> None:
    experts = problem().labelled
    learned = atlas(experts, cross_entropy, steps=0)
    assert all(torch.equal(value, experts.base[n]) for n, value in learned.state.items())


@pytest.mark.parametrize("parts", [1, 3])
def test_few_labels_help(parts: int) -> None:
    found = problem()
    learned = atlas(found.labelled, cross_entropy, steps=60, parts=parts)
    average = {
        n: (found.experts.models["a"][n] + found.experts.models["b"][n]) / 2
        for n in found.experts.base
    }
    assert found.accuracy(learned.state) > found.accuracy(average)
    assert len(learned.coefficients["a"]) == parts * len(found.experts.base)


def test_parts_cover_every_element_once() -> None:
    changes = Changes(problem().experts)
    blocks = _Blocks(changes, 3, seed=1)
    with torch.no_grad():
        blocks.factors.fill_(0.5)
    for name, stacked in changes.stacked.items():
        torch.testing.assert_close(blocks.direction(name), 0.5 * stacked.sum(0))
    with torch.no_grad():
        blocks.factors.zero_()
        blocks.factors[0, :, 2] = 1.0
    direction, change = blocks.direction("0.weight"), changes.stacked["0.weight"][0]
    assert set(((direction == change) | (direction == 0)).unique().tolist()) == {True}
    assert 0.15 < float((direction != 0).float().mean()) < 0.55


def test_the_seed_draws_the_parts() -> None:
    experts = problem().labelled
    one, same, other = (
        atlas(experts, cross_entropy, parts=2, steps=3, seed=seed).state["0.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_place_between_models() -> None:
    experts = line([1.0, 0.0], a=[2.0, 0.0], b=[1.0, 1.0])
    learned = self_positioning(experts, to([1.9, 0.6]), steps=300)
    assert learned.state["weight"].tolist() == pytest.approx([1.9, 0.6], abs=0.01)
    assert learned.coefficients["a"][""] == pytest.approx(0.9, abs=0.01)
    beyond = self_positioning(experts, to([1.5, -0.5]), steps=300)
    assert beyond.coefficients["b"][""] > 0, "shares are positive"
    assert self_positioning(experts, to([0.0, 0.0]), steps=0).coefficients["a"][""] == 0.5


def test_places_are_better_than_the_start() -> None:
    learned = self_positioning(problem().labelled, cross_entropy)
    assert learned.losses[-1] < 0.8 * learned.losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": 0}, "parts: must be an integer of at least 1"),
        ({"decay": -0.1}, "decay: must be a finite number of at least 0"),
        ({"steps": None}, "steps"),
        ({"rate": True}, "rate"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        atlas(line([0.0], a=[1.0]), to([0.0]), **{"steps": 1, **options})


def test_a_start_that_is_none() -> None:
    with pytest.raises(InputError, match="start"):
        self_positioning(line([0.0], a=[1.0]), to([0.0]), start="far")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1.0, None])
def test_a_loss_that_is_no_tensor_is_refused(value: Any) -> None:
    kind = type(value).__name__
    with pytest.raises(InputError, match=f"loss of task 'a': returned {kind}, not a tensor"):
        atlas(line([0.0], a=[1.0]), lambda outputs, task, batch: value, steps=1)


def test_a_loss_for_each_row_is_refused() -> None:
    def rows(outputs: Tensor, task: str, batch: Any) -> Tensor:
        return outputs

    with pytest.raises(InputError, match="loss of task 'a'"):
        self_positioning(line([0.0, 1.0], a=[1.0, 1.0]), rows)
