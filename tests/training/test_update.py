"""What one step changes, and what must not change it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.made import (
    Case,
    assert_close,
    assert_equal,
    one_task,
    table,
    two_tasks,
    weights,
)

from polytask.data import EncodedSplit
from polytask.data.mixtures import Phase, Schedule
from polytask.errors import InputError
from polytask.fields import Dense, Targets
from polytask.tasks import Classification, Regression
from polytask.training import Processes
from polytask.training.losses import batch_losses


def changed_where_masked(split: EncodedSplit) -> EncodedSplit:
    """Other targets where none was measured."""
    targets = {}
    for name, target in split.targets.items():
        assert isinstance(target.values, Dense)
        assert isinstance(target.mask, Dense)
        values, mask = target.values.values, target.mask.values
        other = values[mask][torch.arange(len(mask)) % int(mask.sum())]
        targets[name] = Targets(Dense(torch.where(mask, values, other)), target.mask)
    return replace(split, targets=targets)


@pytest.mark.parametrize("loss", ["mse", "ccc"])
def test_masked_targets_change_no_parameter(tmp_path: Path, loss: Any) -> None:
    label, value = two_tasks()
    case = Case(tasks=[label, replace(value, output=Regression(loss=loss))])
    splits = {name: changed_where_masked(split) for name, split in case.splits().items()}
    first = case.trained(tmp_path / "first")
    assert_equal(first, case.trained(tmp_path / "second", splits=splits))


@pytest.mark.parametrize("parts", [2, 4, 11])
def test_micro_batches_are_one_batch(tmp_path: Path, parts: int) -> None:
    label, value = two_tasks(example_weight="weight")
    tasks = [replace(label, output=Classification(class_weights="balanced")), value]
    whole = Case(tasks=tasks).trained(tmp_path / "whole")
    cut = Case(tasks=tasks, options={"micro_batches": parts}).trained(tmp_path / "cut")
    assert_close(whole, cut)


def test_micro_batches_leave_a_whole_batch_loss_alone(tmp_path: Path) -> None:
    tasks = one_task(Regression(loss="ccc"))
    whole = Case(tasks=tasks).trained(tmp_path / "whole")
    cut = Case(tasks=tasks, options={"micro_batches": 4}).trained(tmp_path / "cut")
    assert_equal(whole, cut)


def test_batches_of_one(tmp_path: Path) -> None:
    Case(examples=1, options={"steps": 30}).trained(tmp_path)


def test_a_data_set_of_one_batch_and_absent_tasks(tmp_path: Path) -> None:
    """A step without a task leaves the head of this task alone, its momentum too."""
    case = Case(
        tables={"a": table(40, 0), "b": table(3, 1)},
        tasks=[*two_tasks("a"), *two_tasks("b")],
        options={"steps": 1},
    )
    before = weights(case.model())
    after = case.trained(tmp_path)
    touched = {name.split(".")[1] for name in after if not torch.equal(before[name], after[name])}
    heads = {name for name in touched if name.endswith("_head")}
    assert heads in ({"a_label_head", "a_value_head"}, {"b_label_head", "b_value_head"})


def test_an_example_weight_of_zero_is_a_missing_target(tmp_path: Path) -> None:
    rows = table(20, 3)
    rows.columns["weight"][:] = 1.0
    rows.columns["weight"][5] = 0.0
    assert not np.isnan(rows.columns["value"][5])
    case = Case(tables={"a": rows}, tasks=one_task(example_weight="weight"), examples=20)
    (split,) = case.splits().values()
    target = split.targets["value"]
    assert isinstance(target.mask, Dense)
    mask = target.mask.values.clone()
    mask[5] = False
    missing = replace(split, targets={"value": Targets(target.values, Dense(mask))})
    weighted = case.trained(tmp_path / "weighted")
    assert_close(weighted, case.trained(tmp_path / "missing", splits={"a": missing}))


def test_a_row_of_weight_two_counts_twice(tmp_path: Path) -> None:
    """Weights 1 and 3 give the gradient of the means, weighted 1 to 3."""
    case = Case(tasks=one_task(example_weight="weight"), options={"clip_norm": None})
    trainer = case.trainer(tmp_path)
    step = next(iter(trainer.loader))
    (batch,) = step.batches
    outputs = trainer.model(batch.fields, batch.rows)
    losses = batch_losses(outputs, batch, trainer.model.tasks, step.totals)
    rows = batch.rows["value"]
    measured = batch.masks["value"]
    weight = (batch.weights["value"] * measured).double()
    task = trainer.model.tasks["value"]
    values = task.output.losses(outputs["value"], batch.targets["value"]).double()
    assert rows is None or len(rows) == len(values)
    expected = (values * weight).sum() / weight.sum()
    assert losses["value"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_only_weights_of_zero_give_no_step(tmp_path: Path) -> None:
    rows = table(20, 3)
    rows.columns["weight"][:] = 0.0
    case = Case(tables={"a": rows}, tasks=two_tasks(example_weight="weight"))
    assert_equal(weights(case.model()), case.trained(tmp_path))


def test_task_weights_are_factors_of_the_loss(tmp_path: Path) -> None:
    """With SGD, a weight of 2 for the only task is twice the learning rate."""
    options = {"optimizer": "sgd", "momentum": 0.0, "clip_norm": None}
    twice = Case(tasks=one_task(weight=2.0), options={**options, "learning_rate": 0.01})
    fast = Case(tasks=one_task(), options={**options, "learning_rate": 0.02})
    assert_close(twice.trained(tmp_path / "twice"), fast.trained(tmp_path / "fast"))


def test_where_gives_targets_to_some_rows(tmp_path: Path) -> None:
    """A task with `where` is the task whose other targets are missing."""
    rows = table(40, 0)
    group = np.where(np.arange(40) % 2 == 0, "even", "odd").astype(object)
    rows.columns["group"] = group  # type: ignore[index]
    chosen = Case(tables={"a": rows}, tasks=one_task(where={"group": "even"}))
    missing = table(40, 0)
    missing.columns["value"][1::2] = np.nan
    other = Case(tables={"a": missing}, tasks=one_task())
    split = chosen.splits()["a"]
    mask = split.targets["value"].measured
    assert not mask[1::2].any()
    assert torch.equal(mask, other.splits()["a"].targets["value"].measured)


def test_bf16_learns_and_keeps_parameters_in_float32(tmp_path: Path) -> None:
    found = Case(options={"precision": "bf16"}).trained(tmp_path / "bf16")
    exact = Case().trained(tmp_path / "fp32")
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert any(not torch.equal(found[name], exact[name]) for name in found)
    for name, value in found.items():
        torch.testing.assert_close(value, exact[name], rtol=0.1, atol=0.02)


@pytest.mark.parametrize("balance", ["equal", "uncertainty", "pcgrad", "grad_drop"])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_fp16_is_near_fp32(tmp_path: Path, balance: str, micro_batches: int) -> None:
    options = {"micro_batches": micro_batches, "clip_norm": 1.0}
    exact = Case(balance=balance, options=options).trained(tmp_path / "fp32")
    half = Case(balance=balance, options={**options, "precision": "fp16"}).trained(tmp_path / "16")
    assert any(not torch.equal(half[name], exact[name]) for name in half)
    for name, value in half.items():
        torch.testing.assert_close(value, exact[name], rtol=0.02, atol=0.01)


@pytest.mark.parametrize("balance", ["equal", "uncertainty", "pcgrad", "grad_drop"])
def test_a_step_that_overflows_in_fp16_is_skipped(tmp_path: Path, balance: str) -> None:
    case = Case(balance=balance, options={"precision": "fp16", "steps": 1, "evaluate_every": 1})
    trainer = case.trainer(tmp_path)
    scaler, balancing = trainer.update.scaler, trainer.update.balancing
    scaler.update(2.0**60)
    before = weights(trainer.model)
    state = deepcopy(balancing.balancer.state_dict()) if balancing is not None else {}
    trainer.fit()
    assert scaler.get_scale() == 2.0**59
    assert_equal(weights(trainer.model), before)
    if balancing is not None:
        after = balancing.balancer.state_dict()
        assert all(value.isfinite().all() for value in after.values())
        if balance != "uncertainty":  # it saw losses alone, and those were finite
            assert_equal(after, state)


@pytest.mark.parametrize("device", ["cuda:99", "nowhere"])
def test_a_device_that_does_not_exist(device: str) -> None:
    with pytest.raises(InputError, match=device):
        Processes(device)


def test_training_learns(tmp_path: Path) -> None:
    case = Case(options={"steps": 150, "learning_rate": 0.02}, tables={"a": table(200, 0)})
    trainer = case.trainer(tmp_path)
    trainer.fit()
    metrics = trainer.evaluate(case.splits(seed=9))
    assert metrics["a_label"]["accuracy"] > 0.7
    assert metrics["a_value"]["r2"] > 0.9
    assert not trainer.model.training


def test_a_phase_trains_its_tasks_with_their_factors(tmp_path: Path) -> None:
    """A factor in a phase is the weight of the task; a task without a phase stays as it is."""
    label, value = two_tasks()
    weighted = Case(tasks=[label, replace(value, weight=0.25)])
    phases = Schedule(phases=[Phase(tasks={"a_label": 1, "a_value": 0.25})])
    assert_equal(
        weighted.trained(tmp_path / "weight"), Case(mixture=phases).trained(tmp_path / "f")
    )
    alone = Case(mixture=Schedule(phases=[Phase(tasks=["a_label"])]), validate=False)
    before = weights(alone.model())
    after = alone.trained(tmp_path / "alone")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in before if "a_value" not in name} == moved
