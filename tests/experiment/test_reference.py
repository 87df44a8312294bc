"""Validation scores in shares of what the single-task models reached, in one command."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.experiment.made import contents, experiment, recipe_values
from tests.training.made import Crash, Recorder

from polytask.errors import InputError
from polytask.experiment import Experiment, Run
from polytask.recipe import prepare, read_recipe, recipe_from
from polytask.training.log import read_log

REFERENCE = {"select.reference": "single_task", "seeds": [0, 1]}
PRIMARY = {"label": "accuracy", "value": "rmse", "other": "accuracy"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an experiment that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    experiment(folder, folder / "out", REFERENCE).train()
    return folder / "out"


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_text())
    return found


def evaluations(run: Path) -> list[dict[str, Any]]:
    return [record for record in read_log(run / "metrics.jsonl") if record["kind"] == "validation"]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_reference_is_the_best_validation_value_of_the_same_seed(
    seed: int, whole: Path
) -> None:
    reference = summary(whole / f"multi/seed-{seed}")["reference"]
    assert reference.keys() == PRIMARY.keys()
    for task, metric in PRIMARY.items():
        single = whole / f"single/{task}/seed-{seed}"
        best = max(evaluations(single), key=lambda record: record["score"])
        assert reference[task] == best["metrics"][task][metric]
        assert summary(single)["validation"][task][metric] == reference[task]
        assert "reference" not in summary(single)


def test_the_score_is_the_mean_share_of_the_reference(whole: Path) -> None:
    multi = whole / "multi/seed-1"
    reference = summary(multi)["reference"]
    for record in evaluations(multi):
        found = {task: record["metrics"][task][metric] for task, metric in PRIMARY.items()}
        shares = [
            found["label"] / reference["label"],
            reference["value"] / found["value"],
            found["other"] / reference["other"],
        ]
        assert record["score"] == pytest.approx(sum(shares) / 3, rel=1e-12)
    assert summary(multi)["best_score"] == max(r["score"] for r in evaluations(multi))


def test_the_recipe_stays_as_the_user_wrote_it(whole: Path) -> None:
    recipe, _ = read_recipe(whole / "recipe.yaml")
    assert recipe.select.reference == "single_task"


def test_the_baselines_of_a_seed_come_before_its_multi_task_model(tmp_path: Path) -> None:
    made = experiment(tmp_path, tmp_path / "out", REFERENCE)
    runs = made.runs(prepare(made.recipe, folder=tmp_path))
    order = [run.folder.relative_to(made.out).as_posix() for run in runs]
    assert order == [
        f"{place}/seed-{seed}"
        for seed in (0, 1)
        for place in ("single/label", "single/value", "single/other", "multi")
    ]


def test_crashes_anywhere_change_nothing(whole: Path, tmp_path: Path) -> None:
    """A run crashes, again and again; each time the summary of a finished one is lost, too."""
    made = experiment(tmp_path, tmp_path / "out", {**REFERENCE, "training.log_every": 1})
    left = [3, 8, 13, 5, 11, 7, 4, 9]

    def observe(run: Run) -> list[Recorder]:
        return [Recorder(fail_after=left.pop(0) if left else None)]

    while left:
        with suppress(Crash):
            made.train(resume=len(left) < 8, observe=observe)
        (tmp_path / "out/single/label/seed-0/run.json").unlink(missing_ok=True)
    made.train(resume=True)
    assert contents(tmp_path / "out") == contents(whole)
    for seed in (0, 1):
        of_seed = [summary(out / f"multi/seed-{seed}") for out in (tmp_path / "out", whole)]
        assert of_seed[0]["reference"] == of_seed[1]["reference"]


def test_a_fault_of_the_multi_task_model_shows_before_any_training(tmp_path: Path) -> None:
    """``heads.no`` is no parameter: a single-task model has no use for it, so it would not tell."""
    wrong = {**REFERENCE, "training.freeze": ["heads.no"]}
    with pytest.raises(InputError, match=r"heads\.no"):
        experiment(tmp_path, tmp_path / "out", wrong).train()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"baselines": "none"}, "needs the single-task models: set baselines: single_task"),
        ({"select.formula": "label.accuracy"}, "formula does not use reference: single_task"),
        ({"select.reference": "single"}, "select.reference"),
        ({"select.reference": {"label": 0}}, "must be a positive number, got 0"),
        ({"select.reference": {"label": -0.5}}, "must be a positive number, got -0.5"),
        ({"select.reference": {"lable": 0.5}}, "unknown task 'lable'; did you mean 'label'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    changes: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=expected):
        experiment(tmp_path, tmp_path / "out", {**REFERENCE, **changes}).train()
    assert not (tmp_path / "out").exists()


def test_without_validation_there_is_nothing_to_refer_to(tmp_path: Path) -> None:
    split = {"fractions": {"train": 0.7, "test": 0.3}}
    changes = {**REFERENCE, "data.first.split": split, "data.second.split": split}
    with pytest.raises(InputError, match="needs a validation split"):
        experiment(tmp_path, tmp_path / "out", changes).train()


def test_a_value_that_is_not_positive_is_no_reference(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """R2 and MCC of a model that has learned nothing: the tasks are scored by their range."""
    changes = {
        **REFERENCE,
        "seeds": [0],
        "training.learning_rate": 0.0,
        "tasks.value.output": {"type": "regression", "primary": "r2"},
        "tasks.other.output": {"type": "classification", "primary": "mcc"},
    }
    experiment(tmp_path, tmp_path / "out", changes).train()
    multi = tmp_path / "out/multi/seed-0"
    validation = summary(tmp_path / "out/single/value/seed-0")["validation"]
    assert validation["value"]["r2"] < 0
    reference = summary(multi)["reference"]
    assert reference["value"] is None
    assert "value" in caplog.text
    metrics = evaluations(multi)[0]["metrics"]
    assert metrics["label"]["accuracy"] == reference["label"]


def test_one_task_needs_no_reference(tmp_path: Path) -> None:
    changes = {**REFERENCE, "tasks": {"label": {"output": "classification"}}}
    values = recipe_values(tmp_path, changes)
    del values["data"]["second"]
    Experiment(recipe_from(values), tmp_path / "out", tmp_path).train()
    assert "reference" not in summary(tmp_path / "out/multi/seed-0")


def test_a_summary_that_was_altered_is_named(tmp_path: Path) -> None:
    made = experiment(tmp_path, tmp_path / "out", {**REFERENCE, "seeds": [0]})
    with pytest.raises(Crash):
        made.train(observe=lambda run: [Recorder(3 if len(run.tasks) > 1 else None)])
    (tmp_path / "out/single/value/seed-0/run.json").write_text('{"validation": ')
    with pytest.raises(InputError, match=r"single/value/seed-0/run\.json: cannot be read"):
        made.train(resume=True)
