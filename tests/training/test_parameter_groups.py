"""Freezing and learning rates, by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.made import Case, two_tasks, weights

from polytask.errors import InputError
from polytask.models.sharing.residual import Residual
from polytask.training import TrainingOptions
from polytask.training.parameter_groups import parameter_groups
from polytask.training.schedule import rate_factor


def rates(case: Case, **options: Any) -> Mapping[str, float]:
    """Parameter name -> its highest learning rate; a frozen one has none."""
    model = case.model()
    groups = parameter_groups(model, TrainingOptions(steps=1, learning_rate=1.0, **options))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(p)]: group["lr"] for group in groups for p in group["params"]}


def test_frozen_parts_do_not_move(tmp_path: Path) -> None:
    case = Case(options={"freeze": ["backbone.layers.0", "heads.a_label"], "weight_decay": 0.5})
    before, after = weights(case.model()), case.trained(tmp_path)
    still = {name for name in after if torch.equal(before[name], after[name])}
    assert still == {
        "backbone.layers.0.weight",
        "backbone.layers.0.bias",
        "heads.a_label_head.weight",
        "heads.a_label_head.bias",
    }


def test_the_longest_start_of_a_name_wins() -> None:
    found = rates(Case(), learning_rates={"backbone": 0.5, "backbone.layers.1": 0.1})
    assert found["backbone.layers.0.weight"] == 0.5
    assert found["backbone.layers.1.bias"] == 0.1
    assert found["heads.a_value_head.weight"] == 1.0


def test_layer_decay_by_hand() -> None:
    """Blocks: columns, layer 0, layer 1; the last has the full rate, so have the heads."""
    found = rates(Case(), layer_decay=0.5)
    assert found["backbone.layers.0.weight"] == 0.5
    assert found["backbone.layers.1.weight"] == 1.0
    assert found["heads.a_label_head.bias"] == 1.0


def test_factors_multiply() -> None:
    found = rates(Case(), layer_decay=0.5, learning_rates={"backbone": 0.1})
    assert found["backbone.layers.0.weight"] == pytest.approx(0.05)


def test_a_task_has_a_rate_of_its_own() -> None:
    label, value = two_tasks()
    found = rates(Case(tasks=[replace(label, learning_rate=3.0), value]))
    assert found["heads.a_label_head.weight"] == 3.0
    assert found["heads.a_value_head.weight"] == 1.0
    assert found["backbone.layers.0.weight"] == 1.0


def test_the_rate_of_a_task_that_another_depends_on() -> None:
    """Its head is its own, though another task's gradient flows into it."""
    label, value = two_tasks()
    value = replace(value, depends_on={"a_label": "logits"})
    found = rates(Case(tasks=[replace(label, learning_rate=3.0), value]))
    assert found["heads.a_label_head.weight"] == 3.0


def test_a_common_head_of_one_task_has_its_rate() -> None:
    label, value = two_tasks()
    case = Case(tasks=[replace(label, learning_rate=3.0), value], sharing=Residual())
    found = rates(case)
    assert found["sharing.common.Classification_2.weight"] == 3.0
    assert found["sharing.common.Regression_1.weight"] == 1.0


def test_only_matrices_decay() -> None:
    model = Case().model()
    groups = parameter_groups(model, TrainingOptions(steps=1, weight_decay=0.1))
    assert {(p.ndim, g["weight_decay"]) for g in groups for p in g["params"]} == {(1, 0), (2, 0.1)}


@pytest.mark.parametrize("option", ["freeze", "learning_rates"])
def test_a_start_that_no_name_has(option: str) -> None:
    value: Any = ["backbne"] if option == "freeze" else {"backbne": 0.1}
    with pytest.raises(InputError, match="did you mean 'backbone'"):
        rates(Case(), **{option: value})


def test_nothing_is_left_to_train() -> None:
    with pytest.raises(InputError, match="leaves no parameter"):
        rates(Case(), freeze=["backbone", "heads"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": -1.0},
        {"clip_norm": 0.0},
        {"warmup": 1.5},
        {"betas": (0.9, 1.0)},
        {"learning_rates": {"backbone": -0.1}},
        {"epochs": 1.0},
        {"steps": None},
        {"steps": None, "epochs": float("inf")},
        {"patience": 0},
    ],
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="training"):
        TrainingOptions(**{"steps": 10, **wrong})


def test_schedules_by_hand() -> None:
    def factors(**options: Any) -> list[float]:
        made = TrainingOptions(steps=4, **options)
        return [round(rate_factor(step, 4, made), 4) for step in range(4)]

    assert factors(schedule="constant") == [1, 1, 1, 1]
    assert factors(schedule="linear") == [1, 0.75, 0.5, 0.25]
    assert factors(schedule="linear", warmup=0.5) == [0.5, 1, 1, 0.5]
    assert factors(schedule="cosine") == [1, 0.8536, 0.5, 0.1464]
    assert factors(warmup=1.0) == [0.25, 0.5, 0.75, 1]
