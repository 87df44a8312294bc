"""Runs of polytask are merged into a model that predicts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.cli.conftest import Command, write_project

import polytask as library
from polytask.files import verify

MODELS = ("run/multi/seed-0", "run/multi/seed-1")
ROW = '{"hours": 7, "sleep": 8, "school": "A"}\n'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("runs"))
    overrides = {"seeds": [0, 1], "baselines": "none"}
    library.train(folder / "recipe.yaml", out=folder / "run", overrides=overrides)
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shutil.copytree(trained, tmp_path / "project"))
    return tmp_path / "project"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_merged_run_predicts(dtype: str, project: Path, polytask: Command) -> None:
    arguments = ("--out", "merged", "--shard-size", "1KB", "--dtype", dtype)
    done = polytask("merge", "average", *MODELS, *arguments)
    assert done.code == 0, done.err
    verify(project / "merged")
    merged = load_file("merged/model.safetensors")
    both = [load_file(f"{folder}/model/model.safetensors") for folder in MODELS]
    for name, value in merged.items():
        if value.is_floating_point():
            mean = (both[0][name] + both[1][name]) / 2
            torch.testing.assert_close(value.float(), mean, rtol=2**-7, atol=1e-6)
    answer = polytask("predict", "merged", stdin=ROW)
    assert answer.code == 0, answer.err
    assert '"passed"' in answer.out


def test_runs_of_several_seeds(project: Path, polytask: Command) -> None:
    several = polytask("merge", "average", "run", MODELS[1], "--out", "merged")
    assert several.code == 2
    assert "run: holds several models, name one of them: run/multi/seed-0/model, " in several.err


def merged(polytask: Command, *words: str) -> dict[str, torch.Tensor]:
    done = polytask("merge", *words, "--out", "merged")
    assert done.code == 0, done.err
    verify(Path("merged"))
    found = load_file("merged/model.safetensors")
    shutil.move("merged", f"merged-{len([*Path.cwd().glob('merged-*')])}")
    return found


@pytest.fixture
def halves(project: Path, polytask: Command) -> dict[str, dict[str, torch.Tensor]]:
    """A model of each task alone, in the folders passed and score."""
    for folder, (kept, dropped) in zip(
        MODELS, (("passed", "score"), ("score", "passed")), strict=True
    ):
        assert polytask("drop-task", folder, dropped, "--out", kept).code == 0
    return {name: load_file(f"{name}/model.safetensors") for name in ("passed", "score")}


def test_models_of_other_tasks_become_one_of_all(
    halves: dict[str, dict[str, torch.Tensor]], polytask: Command
) -> None:
    found = merged(polytask, "average", "passed", "score")
    one, other = halves.values()
    assert found.keys() == one.keys() | other.keys()
    for name, value in found.items():
        both = [half[name] for half in (one, other) if name in half]
        torch.testing.assert_close(value, sum(both) / len(both))
    answer = polytask("predict", "merged-0", stdin=ROW)
    assert answer.code == 0, answer.err
    assert set(json.loads(answer.out)) == {"passed", "score"}
    heads = json.loads(Path("merged-0/merge.json").read_text())["heads"]
    assert set(heads.values()) == {"passed", "score"}
    assert heads.keys() == one.keys() ^ other.keys()


def test_heads_that_not_all_models_have(
    halves: dict[str, dict[str, torch.Tensor]], polytask: Command
) -> None:
    """Those of models go before those of the base; of several models one is chosen."""
    based = merged(polytask, "task_arithmetic", "passed", "--base", MODELS[1])
    whole = load_file(f"{MODELS[1]}/model/model.safetensors")
    score = {name for name in whole if name.startswith("heads.score_head.")}
    assert all(torch.equal(based[name], whole[name]) for name in score)
    both = polytask("merge", "average", *MODELS, "passed", "--out", "merged")
    assert both.code == 2
    assert "is not merged, and run/multi/seed-0 and run/multi/seed-1 bring diff" in both.err
    first = merged(polytask, "average", *MODELS, "passed", "--heads", "first")
    start = load_file(f"{MODELS[0]}/model/model.safetensors")
    assert all(torch.equal(first[name], start[name]) for name in score)
    skipped = merged(polytask, "average", *MODELS, "passed", "--heads", "skip")
    assert not score & skipped.keys()
    assert polytask("predict", "merged-2", stdin=ROW).code == 0
    none = polytask("merge", "average", "passed", "score", "--heads", "skip", "--out", "merged")
    assert none.code == 2
    assert "heads='skip': no task is one of all models: none would be left" in none.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.update(backbone="other"), "score: its backbone differs from that of"),
        (
            lambda about: about["inputs"]["exams"].update(mean=[0.0, 0.0]),
            "score: 'exams' differs from that of passed in inputs",
        ),
        (lambda about: about.pop("tasks"), "score/model.json: describes no tasks"),
        (lambda about: about.update(tasks=["score"]), "score/model.json: describes no tasks"),
        (lambda about: about.update(inputs=[1]), "score/model.json: inputs is no mapping"),
    ],
)
def test_models_of_other_tasks_that_do_not_fit(
    change: Callable[[dict[str, Any]], None],
    message: str,
    halves: dict[str, dict[str, torch.Tensor]],
    polytask: Command,
) -> None:
    file = Path("score/model.json")
    about = json.loads(file.read_text())
    change(about)
    file.write_text(json.dumps(about))
    done = polytask("merge", "average", "passed", "score", "--out", "merged")
    assert done.code == 2
    assert message in done.err
    assert not Path("merged").exists()
