"""Wrong input: exit code 2, a message that names the thing and the place, and nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import RECIPE, Command

CASES = {
    "unknown key": (
        "name: exams",
        "name: exams\ntrainning: {}",
        r"'trainning'.*did you mean 'training'",
    ),
    "unknown inner key": ("epochs: 2", "epoch: 2", r"training.*'epoch'.*did you mean 'epochs'"),
    "unknown option": ("hidden: [8]", "hiden: [8]", r"model\.backbone.*'hiden'.*'hidden'"),
    "unknown block": (
        "classification",
        "clasification",
        r"tasks\.passed\.output.*'classification'",
    ),
    "wrong type": ("epochs: 2", "epochs: many", r"training\.epochs.*'many'"),
    "missing key": ("model: {backbone: {type: mlp, hidden: [8]}}", "", r"model"),
    "missing file": ("train: train.csv", "train: trian.csv", r"trian\.csv.*train\.csv"),
    "unknown column": ("[hours, sleep]", "[hour, sleep]", r"train\.csv.*'hour'.*'hours'"),
    "unknown target": ("score: {output", "scores: {output", r"train\.csv.*'scores'.*'score'"),
    "unknown data set": ("passed: {output", "passed: {data: exam, output", r"'exam'.*'exams'"),
    "duplicate task": ("  score:", "  passed: {output: regression}\n  score:", r"'passed'.*twice"),
    "circle of tasks": (
        "  passed: {output: classification}\n  score: {output: regression}",
        "  passed: {output: classification, depends_on: {score: logits}}\n"
        "  score: {output: regression, depends_on: {passed: logits}}",
        r"circle.*passed",
    ),
    "no training label": ("score: {output", "score: {where: {school: X}, output", r"score"),
    "code without trust": ("output: regression", "output: 'python:os:system'", r"--trust"),
    "unknown task in a formula": (
        "batch: {examples: 16}",
        "batch: {examples: 16}\nselect: {formula: pased.accuracy}",
        r"select\.formula.*'pased'.*'passed'",
    ),
    "code in a formula": (
        "batch: {examples: 16}",
        "batch: {examples: 16}\nselect: {formula: 'print(1)'}",
        r"select\.formula|select.*arithmetic",
    ),
    "self reference": ("name: exams", "name: &x [*x]", r"recipe\.yaml"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_recipe(case: str, project: Path, polytask: Command) -> None:
    old, new, expected = CASES[case]
    assert old in RECIPE
    (project / "recipe.yaml").write_text(RECIPE.replace(old, new, 1))
    refused(polytask, project, expected)


FILES = {
    "empty file": (b"", r"train\.csv.*empty"),
    "no rows": (b"hours,sleep,school,passed,score\n", r"train\.csv"),
    "ragged row": (b"hours,sleep,school,passed,score\n1,2,A,yes,3\n1,2,A\n", r"train\.csv, line 3"),
    "undecodable": (
        b"hours,sleep,school,passed,score\n1,2,\xff\xfe,yes,3\n",
        r"train\.csv.*(UTF|utf)-?8",
    ),
    "no number": (
        b"hours,sleep,school,passed,score\nfew,2,A,yes,3\n1,2,A,no,4\n",
        r"train\.csv.*'hours'",
    ),
    "missing number": (
        b"hours,sleep,school,passed,score\n,2,A,yes,3\n1,2,A,no,4\n",
        r"line 2.*'hours'",
    ),
    "one class": (b"hours,sleep,school,passed,score\n1,2,A,yes,3\n1,3,A,yes,4\n", r"'passed'"),
}


@pytest.mark.parametrize("case", FILES)
def test_wrong_training_file(case: str, project: Path, polytask: Command) -> None:
    content, expected = FILES[case]
    (project / "train.csv").write_bytes(content)
    refused(polytask, project, expected)


def test_label_that_training_does_not_have(project: Path, polytask: Command) -> None:
    (project / "test.csv").write_text("hours,sleep,school,passed,score\n1,2,A,maybe,3\n")
    refused(polytask, project, r"test\.csv, line 2.*'passed'.*'maybe'")


def refused(polytask: Command, project: Path, expected: str) -> None:
    """Training ends with exit code 2 and the message, and leaves nothing behind."""
    before = sorted(project.rglob("*"))
    answer = polytask("train", "recipe.yaml", "--out", "run")
    assert answer.code == 2, answer
    assert re.search(expected, answer.err.replace("\n", " ")), answer.err
    assert "Traceback" not in answer.err
    assert sorted(project.rglob("*")) == before


def test_output_folder_of_another_run(project: Path, polytask: Command) -> None:
    assert polytask("train", "recipe.yaml", "--out", "run", "--set", "baselines=none").code == 0
    files = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    again = polytask("train", "recipe.yaml", "--out", "run", "--set", "baselines=none")
    other = polytask(
        "train", "recipe.yaml", "--out", "run", "--set", "training.epochs=3", "--resume"
    )
    assert (again.code, other.code) == (2, 2)
    assert "--resume" in again.err
    assert "another recipe" in other.err
    assert {file: file.read_bytes() for file in project.rglob("*") if file.is_file()} == files


def test_altered_model(project: Path, polytask: Command) -> None:
    assert polytask("train", "recipe.yaml", "--out", "run", "--set", "baselines=none").code == 0
    weights = project / "run/multi/seed-0/model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    answer = polytask("predict", "run", stdin='{"hours": 1, "sleep": 2, "school": "A"}')
    assert answer.code == 2
    assert "model.safetensors" in answer.err


@pytest.mark.parametrize(
    ("stdin", "expected"),
    [
        ('{"hours": 1}', r"sleep"),
        ('{"hours": 1, "sleep": ', r"line 1.*JSON"),
        ('{"hours": "long", "sleep": 2, "school": "A"}', r"'hours'"),
    ],
)
def test_wrong_examples(stdin: str, expected: str, project: Path, polytask: Command) -> None:
    assert polytask("train", "recipe.yaml", "--out", "run", "--set", "baselines=none").code == 0
    answer = polytask("predict", "run", stdin=stdin)
    assert answer.code == 2, answer
    assert re.search(expected, answer.err), answer.err


def test_assignments_and_folders_that_make_no_sense(project: Path, polytask: Command) -> None:
    for arguments in (
        ("train", "recipe.yaml", "--out", "run", "--set", "epochs"),
        ("train", "recipe.yaml", "--out", "run", "--set", "training.speed=9"),
        ("train", "recipe.yaml", "--out", "train.csv"),
        ("predict", "nowhere"),
        ("evaluate", "nowhere"),
        ("report", "nowhere"),
        ("compare", "nowhere", "elsewhere"),
        ("check", "nowhere.yaml"),
        ("init", "nowhere.csv"),
        ("init", "train.csv", "--out", "recipe.yaml"),
    ):
        answer = polytask(*arguments)
        assert answer.code == 2, (arguments, answer)
        assert answer.err.strip(), arguments
        assert "Traceback" not in answer.err
