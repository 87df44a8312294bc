"""Runs of polytask are merged into a model that predicts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.cli.conftest import Command, write_project

import polytask as library
from polytask.files import verify

MODELS = ("run/multi/seed-0", "run/multi/seed-1")


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
    lines = '{"hours": 7, "sleep": 8, "school": "A"}\n'
    answer = polytask("predict", "merged", stdin=lines)
    assert answer.code == 0, answer.err
    assert '"passed"' in answer.out


def test_runs_of_several_seeds_and_other_tasks(project: Path, polytask: Command) -> None:
    several = polytask("merge", "average", "run", MODELS[1], "--out", "merged")
    assert several.code == 2
    assert "run: holds several models, name one of them: run/multi/seed-0/model, " in several.err
    less = polytask("drop-task", MODELS[1], "score", "--out", "less")
    assert less.code == 0, less.err
    other = polytask("merge", "average", MODELS[0], "less", "--out", "merged")
    assert other.code == 2
    assert "less/model.json: differs from run/multi/seed-0/model/model.json at " in other.err
    assert not Path("merged").exists()
