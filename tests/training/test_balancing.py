"""Balanced steps of a run: the same update in every way of computing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.made import Case, assert_close, assert_equal, table, two_tasks, weights

from polytask import balance
from polytask.balance import GramianWeighting, Losses
from polytask.errors import InputError
from polytask.fields import Dense
from polytask.models.sharing.residual import Residual
from polytask.recipe.balance import read_balancing
from polytask.training.log import read_log
from polytask.training.validation_losses import validation_losses

TWO_DATA: dict[str, Any] = {
    "tables": {"a": table(40, 0), "b": table(17, 1)},
    "tasks": [*two_tasks("a"), *two_tasks("b")],
    "per_step": None,
}


class Sum(GramianWeighting):
    """The sum of the losses, by way of the gradients."""

    def weights(self, gramian: torch.Tensor, losses: Losses) -> torch.Tensor:
        return torch.ones(len(gramian), dtype=torch.float64)


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(balance.BALANCERS.entries, "sum", f"{__name__}:Sum")


@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("cost", ["exact", "features", "last_block"])
@pytest.mark.parametrize(
    "case",
    [
        {},
        TWO_DATA,
        {"options": {"micro_batches": 3}},
        {**TWO_DATA, "options": {"micro_batches": 2}},
        {**TWO_DATA, "joined": True},
        {"tasks": two_tasks(weight=0.3)},
    ],
)
def test_weights_of_one_are_ordinary_training(
    tmp_path: Path, cost: str, case: dict[str, Any]
) -> None:
    plain = Case(**case).trained(tmp_path / "plain")
    balanced = Case(**case, balance={"method": "sum", "cost": cost}).trained(tmp_path / "sum")
    assert_close(plain, balanced)


@pytest.mark.parametrize("method", ["pcgrad", "uncertainty"])
def test_micro_batches_are_balanced_as_one_batch(tmp_path: Path, method: str) -> None:
    whole = Case(balance=method).trained(tmp_path / "whole")
    cut = Case(balance=method, options={"micro_batches": 4}).trained(tmp_path / "cut")
    assert_close(whole, cut)


@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("groups", ["layer", ["backbone.layers.1"]])
@pytest.mark.parametrize("case", [{}, TWO_DATA, {"options": {"micro_batches": 3}}])
def test_groups_of_weights_of_one_are_ordinary_training(
    tmp_path: Path, groups: Any, case: dict[str, Any]
) -> None:
    plain = Case(**case).trained(tmp_path / "plain")
    balanced = Case(**case, balance={"method": "sum", "groups": groups}).trained(tmp_path / "sum")
    assert_close(plain, balanced)


def test_groups_are_balanced_apart_and_logged(tmp_path: Path) -> None:
    whole = Case(balance="pcgrad").trained(tmp_path / "whole")
    apart = Case(balance={"method": "pcgrad", "groups": "layer"}).trained(tmp_path / "layer")
    with pytest.raises(AssertionError):
        assert_close(whole, apart)
    steps = [r for r in read_log(tmp_path / "layer" / "metrics.jsonl") if r["kind"] == "train"]
    found = steps[0]["balance"]
    assert found["groups"].keys() == {"layer 2", "layer 3"}
    first, second = (group["weights"] for group in found["groups"].values())
    means = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
    assert found["weights"] == pytest.approx(means)
    named = {"method": "pcgrad", "groups": ["backbone.layers.0", "backbone"]}
    assert_close(apart, Case(balance=named).trained(tmp_path / "named"))


def test_a_shared_part_that_few_tasks_use(tmp_path: Path) -> None:
    case = Case(**TWO_DATA, sharing=Residual(), balance="pcgrad")
    before = weights(case.model())
    after = case.trained(tmp_path)
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_balancing_changes_the_update(tmp_path: Path) -> None:
    plain = Case().trained(tmp_path / "plain")
    balanced = Case(balance={"method": "uncertainty", "learning_rate": 1.0}).trained(tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_equal(plain, balanced)


def test_the_log_tells_weights_norms_and_cosines(tmp_path: Path) -> None:
    Case(balance="pcgrad").trained(tmp_path)
    steps = [r for r in read_log(tmp_path / "metrics.jsonl") if r["kind"] == "train"]
    found = steps[0]["balance"]
    assert found["tasks"] == ["a_label", "a_value"]
    assert len(found["weights"]) == len(found["norms"]) == 2
    ((cosine,), rest) = found["cosines"]
    assert -1 <= cosine <= 1
    assert rest == []
    negative = [r["balance"] for r in steps if r["balance"]["cosines"][0][0] < 0]
    assert all(weight > 1 for step in negative for weight in step["weights"])


def test_frozen_parts_leave_nothing_to_balance(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no parameter is shared and trained"):
        Case(balance="pcgrad", options={"freeze": ["backbone"]}).trainer(tmp_path)


@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("case", [{}, TWO_DATA])
def test_low_memory_of_weights_of_one_is_ordinary_training(
    tmp_path: Path, case: dict[str, Any]
) -> None:
    plain = Case(**case).trained(tmp_path / "plain")
    low = {"method": "sum", "memory": "low", "groups": "layer"}
    assert_close(plain, Case(**case, balance=low).trained(tmp_path / "sum"))
    with pytest.raises(InputError, match="set micro_batches to 1"):
        Case(**case, balance=low, options={"micro_batches": 2}).trainer(tmp_path / "cut")


def test_a_group_of_no_shared_parameter(tmp_path: Path) -> None:
    wrong = {"method": "pcgrad", "groups": ["backbone.layer"]}
    with pytest.raises(InputError, match=r"'backbone.layer'; did you mean 'backbone.layers'"):
        Case(balance=wrong).trainer(tmp_path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pcgrd", "unknown balancing method 'pcgrd'; did you mean 'pcgrad'"),
        ({"method": "pcgrad", "sed": 1}, "'sed'; did you mean 'seed'"),
        ({"type": "pcgrad"}, "expected a method or a mapping with 'method'"),
        ({"method": "pcgrad", "cost": "feature"}, "did you mean 'features'"),
        ({"method": "dwa", "period": 0}, "period at least 1"),
        ("python:a:B", "pass --trust"),
        ({"method": "dwa", "groups": "layer"}, "DWA sees losses alone"),
        ({"method": "pcgrad", "groups": "layer", "cost": "features"}, "groups: cost='features'"),
        ("modo", "MoDo needs a loop of your own, .* two more batches"),
        ("cosmos", "COSMOS needs a loop of your own, .* an input of the model"),
        ({"method": "pcgrad", "memory": "lo"}, "did you mean 'low'"),
        ({"method": "equal", "memory": "lo"}, "did you mean 'low'"),
        ({"method": "grad_drop", "memory": "low"}, "GradDrop needs all gradients"),
        ({"method": "pcgrad", "groups": "block"}, "expected 'layer' or a list"),
        ({"method": "equal", "groups": ["a"]}, "Equal sees losses alone"),
    ],
)
def test_bad_recipes(spec: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_balancing(spec, seed=0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"method": "static", "factors": {"a_labl": 2.0}}, r"factors: unknown task 'a_labl'; did"),
        ({"method": "pcgrad", "priorities": {"b": 2.0}}, r"balance\.priorities: unknown task 'b'"),
        ({"method": "pcd", "primary": "a_valu"}, r"primary: unknown task .*did you mean 'a_value'"),
        ({"method": "cr_mogm", "base": "pcd", "options": {"primary": "x"}}, "unknown task 'x'"),
    ],
)
def test_options_that_name_other_tasks(tmp_path: Path, spec: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Case(balance=spec).trainer(tmp_path)


def test_an_option_may_map_other_things_to_numbers(tmp_path: Path) -> None:
    spec = {"method": "cr_mogm", "base": "cagrad", "options": {"c": 0.3}}
    Case(balance=spec).trainer(tmp_path)


def test_the_run_gives_its_seed() -> None:
    found = read_balancing("pcgrad", seed=7)
    assert found is not None
    assert str(found).startswith("PCGrad(")
    assert "seed=7" in str(found)
    given = read_balancing({"method": "pcgrad", "seed": 1}, seed=7)
    assert "seed=1" in str(given)
    assert read_balancing("equal", seed=0) is None


def test_a_method_that_follows_validation_losses(tmp_path: Path) -> None:
    case = Case(balance="convergence_plateau", options={"steps": 8, "evaluate_every": 2})
    trainer = case.trainer(tmp_path)
    trainer.fit()
    assert trainer.update.balancing is not None
    state = trainer.update.balancing.balancer.state_dict()
    assert {"progress.a_label", "progress.a_value"} <= state.keys()
    with pytest.raises(InputError, match="follows validation losses; there is no such split"):
        Case(balance="convergence_plateau", validate=False).trainer(tmp_path / "none")


def test_validation_losses_are_means_over_the_targets() -> None:
    case = Case()
    model, (split,) = case.model(), case.splits(seed=3).values()
    found = validation_losses(model, {"a": split}, device=torch.device("cpu"))
    targets = split.targets["a_value"]
    assert isinstance(targets.values, Dense)
    assert isinstance(targets.mask, Dense)
    field = split.fields["numeric"]
    assert isinstance(field, Dense)
    model.eval()
    output = model({"numeric": field.values})["a_value"]
    values, mask = targets.values.values, targets.mask.values
    losses = model.tasks["a_value"].output.losses(output.detach(), values)
    expected = losses[mask].mean()
    assert found["a_value"] == pytest.approx(float(expected), rel=1e-5)
    assert found.keys() == {"a_label", "a_value"}
