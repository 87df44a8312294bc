"""Labels that only the test file has, from the command line to the scores."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

import polytask
from polytask.cli import main
from polytask.evaluation import load_evidence

RECIPE = """
name: reviews
data:
  reviews:
    source: csv
    files: {train: train.csv, validation: validation.csv, test: test.csv}
    input: {type: features, numeric: [x, y]}
tasks:
  topics:
    output: {type: multi_label, separator: ";", unknown: wrong, pos_weight: balanced}
  stars:
    output: {type: ordinal, unknown: wrong, class_weights: balanced}
model: {backbone: {type: mlp, hidden: [8]}}
training: {epochs: 8, learning_rate: 0.05}
batch: {examples: 16}
baselines: none
"""


def rows(count: int, seed: int, *, unseen: bool = False) -> str:
    """Topics and stars follow from two numbers; a fifth of each is missing."""
    rng = random.Random(seed)
    lines = ["x,y,topics,stars"]
    for _ in range(count):
        x, y = rng.uniform(-1, 1), rng.uniform(-1, 1)
        topics, stars = (
            ["price"] * (x > 0) + ["size"] * (y > 0) + ["other"],
            1 + (x > -0.4) + (x > 0.4),
        )
        if unseen and x > 0.5:
            topics, stars = [*topics, "smell", "taste"], 5
        shown = ["" if rng.random() < 0.2 else text for text in (";".join(topics), str(stars))]
        lines.append(f"{x:.3f},{y:.3f},{','.join(shown)}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text(rows(120, 1))
    (tmp_path / "validation.csv").write_text(rows(40, 2))
    (tmp_path / "test.csv").write_text(rows(60, 3, unseen=True))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["polytask", *arguments])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_they_count_as_wrong(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(monkeypatch, "train", "recipe.yaml", "--out", "run") == 0
    test, validation = (polytask.evaluate("run", split=name) for name in ("test", "validation"))
    evidence = load_evidence(project / "run/multi/seed-0/test")["topics"]
    topics, stars = test["topics"], test["stars"]
    unseen = evidence.mask[:, 3]
    assert evidence.scores.shape[1] == 3
    assert set(evidence.targets[unseen, 3]) == {2}
    assert topics["exact_match"] <= 1 - unseen.mean()
    assert topics["macro_f1"] <= 3 / 4
    assert topics["accuracy"] <= 1 - 2 * unseen.sum() / (3 * len(evidence) + 2 * unseen.sum())
    assert topics["micro_f1"] < validation["topics"]["micro_f1"]
    assert stars["mae"] > validation["stars"]["mae"]
    assert topics["auroc"] > 0.9
    assert 0 <= topics["ece"] < 1
    assert 0 < stars["ece"] < 1


def test_they_are_an_error_unless_the_recipe_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "recipe.yaml").write_text(RECIPE.replace("unknown: wrong, ", ""))
    assert command(monkeypatch, "train", "recipe.yaml", "--out", "run") == 2
    told = capsys.readouterr().err
    assert "test.csv, line " in told
    assert "task 'topics': unknown label 'smell'" in told
    assert not (project / "run").exists()
