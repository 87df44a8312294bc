"""A recipe as a folder: what is refused before anything is written, what is left in the end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.experiment.made import contents, experiment, recipe_values
from tests.training.made import Crash, Recorder, assert_equal, weights

from polytask.errors import InputError, RunError
from polytask.evaluation import load_evidence
from polytask.experiment import Experiment, Run
from polytask.recipe import prepare, recipe_from
from polytask.training import Processes
from polytask.training.weights import read_tensors


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an experiment that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    experiment(folder, folder / "out").train()
    return folder / "out"


def test_what_is_left(whole: Path) -> None:
    files = {file.relative_to(whole).as_posix() for file in whole.rglob("*") if file.is_file()}
    run = {"metrics.jsonl", "run.json", "test.json", "test/other.npz", "model/model.json"}
    assert {"recipe.yaml", "environment.json", "data.json"} < files
    assert {f"single/other/seed-0/{name}" for name in run} < files
    assert {f"multi/seed-0/{name}" for name in run} < files
    assert not [name for name in files if "checkpoint" in name or "partial" in name]


def test_the_summary_of_a_run(whole: Path) -> None:
    summary = json.loads((whole / "multi" / "seed-0" / "run.json").read_text())
    assert summary["tasks"] == ["label", "value", "other"]
    assert (summary["steps"], summary["seed"]) == (20, 0)
    assert 0 < summary["best_step"] <= 20
    assert summary["cpu_seconds"] > 0
    assert summary["seconds"] > 0


def test_single_and_multi_are_tested_on_the_same_rows(whole: Path) -> None:
    for task in ("label", "value", "other"):
        multi = load_evidence(whole / "multi" / "seed-0" / "test")[task]
        single = load_evidence(whole / "single" / task / "seed-0" / "test")[task]
        assert np.array_equal(multi.ids, single.ids)
        assert np.array_equal(multi.targets, single.targets)


WRONG: dict[str, Mapping[str, Any]] = {
    "backbone": {"model.backbone": "resnet"},
    "backbone option": {"model.backbone.hiden": [3]},
    "sharing": {"model.sharing": "hart"},
    "mixture": {"mixture": {"type": "temperature", "temperature": 0.1}},
    "freeze": {"training.freeze": ["backbonne"]},
    "precision": {"training.precision": "fp8"},
    "device": {"training.device": "cuda:77"},
    "select": {"select.ranges": {"lable": [0, 1]}},
    "file": {"data.first.files": "no.csv"},
    "target": {"tasks.label.target": "lable"},
    "circle": {
        "tasks.label.depends_on": {"value": "logits"},
        "tasks.value.depends_on": {"label": "logits"},
    },
    "warm start": {"model.warm_start": "no-such-run"},
    "code": {"model.backbone": "python:os:path"},
    "no test split": {
        "data.first.split": {"fractions": {"train": 0.8, "validation": 0.2}},
        "data.second.split": {"fractions": {"train": 0.8, "validation": 0.2}},
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_recipe_leaves_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        experiment(tmp_path, tmp_path / "out", WRONG[name]).train()
    assert not (tmp_path / "out").exists()


def test_foreign_folders_are_refused_and_kept(tmp_path: Path, whole: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        experiment(tmp_path, tmp_path / "file").train()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no polytask run"):
        experiment(tmp_path, tmp_path / "full").train(resume=True)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]
    before = contents(whole)
    with pytest.raises(InputError, match="--resume goes on"):
        experiment(tmp_path, whole).train()
    with pytest.raises(InputError, match=r"another recipe \(training.learning_rate was 0.001"):
        experiment(tmp_path, whole, {"training.learning_rate": 0.1}).train(resume=True)
    assert contents(whole) == before


def test_an_altered_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "recipe.yaml").write_bytes(b"\xff\xfe: [")
    with pytest.raises(InputError, match=r"recipe\.yaml: cannot be read"):
        experiment(tmp_path, tmp_path / "out").train(resume=True)


def test_resuming_a_finished_experiment_changes_nothing(whole: Path, tmp_path: Path) -> None:
    before = contents(whole)
    experiment(tmp_path, whole, {"training.workers": 1}).train(resume=True)
    assert contents(whole) == before


def test_crashes_anywhere_change_nothing(tmp_path: Path, whole: Path) -> None:
    """Every run of the experiment crashes once, each at another step."""
    left = [3, 8, 13, 19]

    def observe(run: Run) -> list[Recorder]:
        return [Recorder(fail_after=left.pop(0) if left else None)]

    made = experiment(tmp_path, tmp_path / "out", {"training.log_every": 1})
    crashes = 0
    for attempt in range(10):
        try:
            made.train(resume=attempt > 0, observe=observe)
            break
        except Crash:
            crashes += 1
    assert crashes == 4
    assert contents(tmp_path / "out") == contents(whole)


def test_a_folder_that_died_in_its_first_moment_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".recipe.yaml.partial").write_text("na")
    experiment(tmp_path, tmp_path / "out", {"baselines": "none"}).train()


def test_a_full_disk_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(28, os.strerror(28))

    made = experiment(tmp_path, tmp_path / "out", {"baselines": "none"})
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        with pytest.raises(RunError, match="No space left"):
            made.train()
    assert not (tmp_path / "out" / "multi" / "seed-0" / "test").exists()
    made.train(resume=True)
    assert (tmp_path / "out" / "multi" / "seed-0" / "run.json").exists()


def test_one_task_is_its_own_baseline(tmp_path: Path) -> None:
    values = recipe_values(tmp_path, {"tasks": {"label": {"output": "classification"}}})
    del values["data"]["second"]
    made = Experiment(recipe_from(values), tmp_path / "out", tmp_path)
    (run,) = made.runs(prepare(made.recipe, folder=tmp_path))
    assert run.folder == tmp_path / "out" / "multi" / "seed-0"
    made.train()
    assert run.done


def test_every_seed_and_task_has_its_run(tmp_path: Path) -> None:
    made = experiment(tmp_path, tmp_path / "out", {"seeds": [3, 5]})
    runs = list(made.runs(prepare(made.recipe, folder=tmp_path)))
    places = ["multi", "single/label", "single/value", "single/other"]
    found = {run.folder.relative_to(made.out).as_posix() for run in runs}
    assert found == {f"{place}/seed-{seed}" for place in places for seed in (3, 5)}


def test_the_single_task_run_is_matched(tmp_path: Path) -> None:
    """It starts from the same weights and sees, step by step, the rows of its task."""
    made = experiment(tmp_path, tmp_path / "out")
    prepared = prepare(made.recipe, folder=tmp_path)
    processes = Processes("cpu")
    multi, *singles = (run.trainer(processes) for run in made.runs(prepared))
    steps = iter(multi.loader), [iter(single.loader) for single in singles]
    for single in singles:
        start = weights(multi.model)
        assert_equal(weights(single.model), {name: start[name] for name in weights(single.model)})
        assert single.total == multi.total
        assert single.evaluate_every == multi.evaluate_every
    for _ in range(12):
        together = next(steps[0])
        for single, alone in zip(singles, steps[1], strict=True):
            (task,) = single.model.tasks
            own = next(alone)
            assert own.index == together.index
            seen = [labelled(batch, task) for batch in together.batches if task in batch.rows]
            assert seen == [labelled(batch, task) for batch in own.batches]
            assert own.totals.get(task) == together.totals.get(task)


def labelled(batch: Any, task: str) -> list[tuple[int, float]]:
    """The ids and targets of the rows that have one."""
    rows = batch.rows[task]
    ids = batch.ids if rows is None else batch.ids[rows]
    mask = batch.masks[task]
    return list(zip(ids[mask].tolist(), batch.targets[task][mask].tolist(), strict=True))


def test_options_about_other_tasks_do_not_disturb_baselines(tmp_path: Path) -> None:
    changes = {
        "training.freeze": ["heads.label"],
        "training.learning_rates": {"heads.other": 0.1},
        "training.patience": 2,
    }
    experiment(tmp_path, tmp_path / "out", changes).train()
    assert (tmp_path / "out" / "single" / "value" / "seed-0" / "run.json").exists()


def test_dependencies_come_along(tmp_path: Path) -> None:
    changes = {"tasks.value.depends_on": {"label": "logits"}, "training.steps": 5}
    experiment(tmp_path, tmp_path / "out", changes).train()
    folder = tmp_path / "out" / "single" / "value" / "seed-0"
    found = read_tensors(folder / "model" / "model.safetensors")
    assert "heads.label_head.weight" in found
    assert not [name for name in found if name.startswith("heads.other")]
