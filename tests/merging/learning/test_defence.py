"""Backdoors in models that are merged: how often they work, and masks that leave them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.merging.learning.poisoned import Poisoned, perturbed
from tests.merging.learning.problems import line, problem
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging import (
    AttackSuccess,
    Experts,
    InnerLevel,
    attack_success_rate,
    concrete,
    defend,
    entropy,
    merge_state_dicts,
)
from polytask.merging.learning.changes import Changes
from polytask.merging.learning.masks import ConcreteMask
from polytask.merging.learning.perturbations import Perturbations


def add(batch: Tensor, perturbation: Tensor) -> Tensor:
    return batch + perturbation


def shifted(base: list[float], **models: list[float]) -> Experts:
    """Experts of one vector, to which the batch, a vector of zeros, is added."""
    return replace(
        line(base, **models),
        batches={task: [torch.zeros(len(base))] for task in models},
        outputs=lambda model, task, batch: model() + batch,
    )


class Door(nn.Module):
    """Class 0 is told by a pixel, and class 1 by a trigger that clean inputs do not have."""

    def __init__(self) -> None:
        super().__init__()
        self.pixel = nn.Linear(1, 2, bias=False)
        self.trigger = nn.Linear(1, 2, bias=False)

    def forward(self, rows: Tensor) -> Any:
        return self.pixel(rows[:, :1]) + self.trigger(rows[:, 1:])


def door() -> Experts:
    zeros = {name: torch.zeros(2, 1) for name in ("pixel.weight", "trigger.weight")}
    tuned = {
        "pixel.weight": torch.tensor([[4.0], [0.0]]),
        "trigger.weight": torch.tensor([[0.0], [5.0]]),
    }
    return Experts(
        model=Door(),
        base=zeros,
        models={"a": tuned},
        batches={"a": [torch.tensor([[1.0, 0.0]])]},
        outputs=lambda model, task, batch: model(batch),
    )


def test_a_step_of_adam_moves_a_perturbation_away_from_what_is_said() -> None:
    experts = shifted([1.0, 0.0], a=[2.0, 0.0], b=[0.0, 3.0])
    added = Perturbations(experts, add, shape=(2,), rate=0.25, device=None)
    streams = {task: experts.endless(task) for task in experts.batches}
    added.step(experts.models["a"], streams)
    for value in added.values.values():
        torch.testing.assert_close(value.detach(), torch.tensor([-0.25, 0.25]))
    # The module itself holds zeros: what it says is what is added to its inputs.
    outputs = added.outputs(experts.model, "a", torch.zeros(2))
    torch.testing.assert_close(outputs.detach(), torch.tensor([[0.0, 0.0], [-0.25, 0.25]]))


def test_the_loss_by_hand() -> None:
    experts = shifted([1.0, 0.0], a=[2.0, 0.5])
    found = defend(
        experts,
        add,
        shape=(2,),
        weight=0.5,
        perturbation_rate=0.25,
        scale=1.0,
        initial_logits=60.0,
        steps=1,
    )
    clean, moved = torch.tensor([2.0, 0.5]), torch.tensor([1.75, 0.75])
    wanted = float(entropy(clean, "a")) + 0.5 * float(entropy(moved, "a"))
    assert found.losses == pytest.approx([wanted], rel=1e-5)


@pytest.mark.parametrize("inner", [None, InnerLevel(rate=0.1, steps=3)])
def test_without_weight_it_is_concrete(inner: InnerLevel | None) -> None:
    experts = problem().experts
    single = replace(experts, batches={t: [experts.batches[t][0]] for t in "ab"})  # type: ignore[index]
    options: dict[str, Any] = {"inner": inner, "steps": 4, "rate": 0.1, "seed": 5}
    found = defend(single, add, shape=(8,), weight=0.0, perturbation_rate=0.1, **options)
    wanted = concrete(single, **options)
    assert found.losses == pytest.approx(wanted.losses)
    for name, value in wanted.state.items():
        torch.testing.assert_close(found.state[name], value)


def test_what_only_a_perturbation_reaches_is_dropped() -> None:
    drawn: dict[str, Any] = {"initial_logits": 0.0, "temperature": 0.5, "seed": 1}
    learned: dict[str, Any] = {"scale": 1.0, "steps": 60, "rate": 0.1, **drawn}
    found, clean = (
        defend(door(), add, shape=(2,), weight=weight, perturbation_rate=0.01, **learned)
        for weight in (1.0, 0.0)
    )
    mask = ConcreteMask(Changes(door()), **drawn)
    chance = [mask.sample()["trigger.weight"].detach() for _ in range(61)][-1]
    # No clean input says anything about the trigger: its elements are kept by chance alone.
    torch.testing.assert_close(clean.mask["trigger.weight"], chance)
    # With perturbed ones the logit of what opens the door falls, that of the other class rises.
    logits = 0.5 * (found.mask["trigger.weight"].logit(1e-6) - chance.logit(1e-6))
    assert float(logits[1]) < -2
    assert float(logits[0]) > 1
    # Much less of the trigger is left in the model.
    opened, shut = (float(merged.state["trigger.weight"][1]) for merged in (clean, found))
    assert shut < 0.2 * opened


@pytest.mark.parametrize("seed", [0, 2])
def test_a_defence_shuts_a_door_that_task_arithmetic_leaves_open(seed: int) -> None:
    poisoned = Poisoned(seed)
    experts = poisoned.experts
    assert poisoned.attacked(experts.models["low"], "low").rate > 0.95
    plain = merge_state_dicts(
        "task_arithmetic", base=experts.base, models=list(experts.models.values()), scale=1.0
    )
    found = defend(
        experts,
        perturbed,
        shape=(8, 8),
        weight=1.0,
        perturbation_rate=1e-3,
        scale=1.0,
        steps=100,
        rate=0.03,
    )
    before, after = (poisoned.attacked(state, "low") for state in (plain, found.state))
    assert before.rate > 0.9
    assert after.rate < 0.4
    assert after.without < 0.05
    other, defended = (poisoned.attacked(state, "high") for state in (plain, found.state))
    assert after.accuracy > before.accuracy - 0.03
    assert defended.accuracy > other.accuracy - 0.03


ROWS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 5.0], [1.0, 3.0]])


def measured(**changed: Any) -> AttackSuccess:
    """A linear model of two classes, attacked by what is added to the first input."""
    options: dict[str, Any] = {
        "state": {"weight": torch.eye(2), "bias": torch.zeros(2)},
        "task": "a",
        "batches": [ROWS[:1], ROWS[1:]],
        "classes": lambda batch: torch.tensor([0]) if len(batch) == 1 else torch.tensor([1, 1, 0]),
        "trigger": lambda batch: batch + torch.tensor([3.0, 0.0]),
        "target": 0,
        **changed,
    }
    experts = replace(
        door(),
        model=nn.Linear(2, 2),
        base={"weight": torch.eye(2), "bias": torch.zeros(2)},
        models={"a": {"weight": torch.ones(2, 2), "bias": torch.zeros(2)}},
    )
    experts.model.train()
    found = attack_success_rate(experts, **options)
    assert experts.model.training
    return found


def test_an_attack_is_counted_by_hand() -> None:
    # Right are rows 0 to 2; of rows 1 and 2, which are not of class 0, the trigger takes over one.
    assert measured() == AttackSuccess(rate=0.5, without=0.0, accuracy=0.75, rows=2)
    # Rows 0 and 3 are not of class 1: one is taken for it as it is, none with the trigger.
    assert measured(target=1) == AttackSuccess(rate=0.0, without=0.5, accuracy=0.75, rows=2)


def test_every_position_counts_where_there_are_several() -> None:
    found = measured(
        batches=[ROWS.view(2, 2, 2)], classes=lambda batch: torch.tensor([[0, 1], [1, 0]])
    )
    assert found == AttackSuccess(rate=0.5, without=0.0, accuracy=0.75, rows=2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"target": -1}, "target: must be an integer of at least 0"),
        ({"target": 2}, "target: there are 2 classes, got 2"),
        ({"batches": []}, "batches: there are none of task 'a'"),
        ({"batches": [ROWS[:1]]}, "target: every row is of class 0"),
        ({"classes": lambda batch: torch.zeros(9)}, r"classes: have the shape \[9\]"),
        ({"trigger": lambda batch: batch[:0]}, "trigger: outputs have the shape"),
        ({"state": {"weight": torch.eye(2)}}, "state: its tensors are not those of model"),
        ({"task": "none"}, "unknown task 'none'"),
        ({"trigger": lambda batch: batch * float("nan")}, "task 'a': outputs are NaN or infinite"),
    ],
)
def test_attacks_that_are_none(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measured(**changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weight": -0.1}, "weight: must be a finite number of at least 0"),
        ({"perturbation_rate": 0}, "perturbation_rate: must be positive"),
        ({"shape": (2, 0)}, "shape: must be an integer of at least 1"),
        ({"shape": 2}, "shape: expected a list, got int"),
        ({"temperature": -1}, "temperature"),
        ({"perturb": lambda batch, added: batch}, "outputs do not depend on the perturbation"),
        (
            {"perturb": lambda batch, added: (batch + added)[None]},
            r"perturb: outputs have the shape \[1, 2\] with a perturbation, \[2\] without",
        ),
    ],
)
def test_defences_that_are_none(changed: dict[str, Any], message: str) -> None:
    experts = shifted([1.0, 0.0], a=[2.0, 0.0])
    options: dict[str, Any] = {"perturb": add, "shape": (2,), "steps": 1, **changed}
    with pytest.raises(InputError, match=message):
        defend(experts, options.pop("perturb"), **options)


def test_outputs_that_are_no_logits() -> None:
    experts = shifted([1.0, 0.0], a=[2.0, 0.0])
    scalars = replace(experts, outputs=lambda model, task, batch: (model() + batch)[0])
    with pytest.raises(InputError, match=r"task 'a': .* outputs are scalar"):
        defend(scalars, add, shape=(2,), steps=1, loss=lambda outputs, task, batch: outputs)


def test_the_seed_draws_everything() -> None:
    options: dict[str, Any] = {"shape": (8,), "steps": 3, "perturbation_rate": 0.1}
    experts = problem().experts
    before = torch.get_rng_state()
    one, same, other = (defend(experts, add, seed=seed, **options) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.losses == same.losses
    assert all(torch.equal(value, same.state[name]) for name, value in one.state.items())
    assert one.losses != other.losses


def test_narrow_weights_stay_narrow() -> None:
    experts = door()
    narrow = replace(
        experts,
        model=experts.model.bfloat16(),
        base={name: value.bfloat16() for name, value in experts.base.items()},
        models={"a": {name: value.bfloat16() for name, value in experts.models["a"].items()}},
        outputs=lambda model, task, batch: model(batch.bfloat16()).float(),
    )
    found = defend(narrow, add, shape=(2,), steps=3, rate=0.1)
    assert {value.dtype for value in found.state.values()} == {torch.bfloat16}
    assert found.losses[-1] < found.losses[0]
