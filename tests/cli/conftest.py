"""A small project in a folder, and the command line run inside this process."""

from __future__ import annotations

import io
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from polytask import train
from polytask.cli import main

RECIPE = """
name: exams
data:
  exams:
    source: csv
    files: {train: train.csv, validation: validation.csv, test: test.csv}
    input: {type: features, numeric: [hours, sleep], categorical: [school]}
tasks:
  passed: {output: classification}
  score: {output: regression}
model: {backbone: {type: mlp, hidden: [8]}}
training: {epochs: 2, learning_rate: 0.05}
batch: {examples: 16}
"""


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


def rows(count: int, seed: int) -> str:
    """A table of students; one score in five was not measured."""
    rng = random.Random(seed)
    lines = ["hours,sleep,school,passed,score"]
    for _ in range(count):
        hours, sleep, school = rng.uniform(0, 10), rng.uniform(4, 9), rng.choice("ABC")
        score = 6 * hours + 3 * sleep + rng.gauss(0, 8)
        shown = "" if rng.random() < 0.2 else f"{score:.1f}"
        lines.append(f"{hours:.3f},{sleep:.3f},{school},{'yes' if score > 50 else 'no'},{shown}")
    return "\n".join(lines) + "\n"


def write_project(folder: Path) -> Path:
    """A recipe and its three files."""
    for split, count, seed in (("train", 80, 1), ("validation", 40, 2), ("test", 40, 3)):
        (folder / f"{split}.csv").write_text(rows(count, seed))
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and its three files; the commands run there."""
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a finished run in ``run``; tests that change it take a copy."""
    folder = write_project(tmp_path_factory.mktemp("finished"))
    train(folder / "recipe.yaml", out=folder / "run", overrides={"training.epochs": 12})
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished run; the commands run beside it."""
    monkeypatch.chdir(shutil.copytree(finished, tmp_path / "project"))
    return tmp_path / "project" / "run"


@pytest.fixture
def polytask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command: ``polytask("train", "recipe.yaml", "--out", "run")``."""

    def run(*arguments: str, stdin: str | bytes = "") -> Answer:
        content = io.BytesIO(stdin if isinstance(stdin, bytes) else stdin.encode())
        monkeypatch.setattr(sys, "argv", ["polytask", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
        try:
            main()
            code: int | str | None = 0
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return Answer(int(code or 0), out, err)

    return run
