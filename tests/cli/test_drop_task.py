"""A task leaves a trained model, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from polytask.files import is_partial
from polytask.predictor import load
from polytask.training import model_folder as module

LINE = '{"hours": 7, "sleep": 8, "school": "A"}'


def answers(polytask: Command, model: Path | str) -> dict[str, object]:
    answer = polytask("predict", str(model), stdin=LINE)
    assert answer.code == 0, answer.err
    found: dict[str, object] = json.loads(answer.out)
    return found


def test_the_other_tasks_answer_as_before(run: Path, polytask: Command) -> None:
    before = answers(polytask, run)
    answer = polytask("drop-task", str(run), "passed", "--out", "smaller")
    assert (answer.code, answer.out) == (0, "wrote smaller: score\n")
    assert answers(polytask, "smaller") == {"score": before["score"]}
    assert answers(polytask, run) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "pased", "--out", "new"), "unknown task 'pased'; did you mean 'passed'"),
        (("nowhere", "passed", "--out", "new"), "nowhere: there is no such folder"),
        (("run", "passed", "--out", "new", "--seed", "7"), "unknown seed '7'"),
        (("run", "passed", "--out", "run"), "run: exists already"),
        (("run", "passed", "--out", "run/multi/seed-0/model/new"), "inside the model"),
    ],
)
def test_what_cannot_be(
    arguments: tuple[str, ...], expected: str, run: Path, polytask: Command
) -> None:
    before = sorted(run.parent.rglob("*"))
    answer = polytask("drop-task", *arguments)
    assert answer.code == 2, answer
    assert expected in answer.err
    assert sorted(run.parent.rglob("*")) == before


def test_the_last_task_stays(run: Path, polytask: Command) -> None:
    assert polytask("drop-task", str(run), "passed", "--out", "smaller").code == 0
    answer = polytask("drop-task", "smaller", "score", "--out", "none")
    assert answer.code == 2
    assert "only one" in answer.err
    assert not Path("none").exists()


def test_a_full_disk_leaves_nothing(
    run: Path, polytask: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    before = sorted(run.parent.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_tensors", full)
        answer = polytask("drop-task", str(run), "passed", "--out", "smaller")
    assert answer.code == 1
    assert "No space left" in answer.err
    assert not [path for path in run.parent.iterdir() if is_partial(path)]
    assert sorted(run.parent.rglob("*")) == before
    assert list(load(run).tasks) == ["passed", "score"]
