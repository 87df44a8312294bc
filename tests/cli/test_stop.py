"""Ctrl-C and SIGTERM through the command line: exit code 1, a message, and nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.experiment.made import contents
from tests.training.made import Recorder

from polytask.experiment import run as run_module

TRAIN = ("train", "recipe.yaml", "--out", "run", "--set", "training.log_every=1")
TOTAL = 10


class Stopper(Recorder):
    """Sends a signal to this process after a step, or in the evaluation after the last one."""

    def __init__(self, number: int, at: int) -> None:
        super().__init__()
        self.number, self.at = number, at

    def step(self, step: int, total: int, losses: Any) -> None:
        assert total == TOTAL
        if step == self.at < TOTAL:
            signal.raise_signal(self.number)

    def evaluated(self, step: int, metrics: Any, score: float) -> None:
        if self.at == step == TOTAL:
            signal.raise_signal(self.number)


@pytest.fixture
def whole(project: Path, polytask: Command) -> dict[str, bytes]:
    """What a run leaves that nobody stops."""
    assert polytask("train", "recipe.yaml", "--out", "whole").code == 0
    return contents(project / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("at", "message"),
    [
        (4, "stopped at step 5 of 10; the run can be resumed from run/multi/seed-0"),
        (TOTAL, "stopped after its last step, 10, before its results were written; the run can be"),
    ],
)
def test_a_run_that_is_stopped_is_finished_by_resume(
    number: int,
    at: int,
    message: str,
    project: Path,
    polytask: Command,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("polytask.cli.show.watch", lambda run: [Stopper(number, at)])
        answer = polytask(*TRAIN)
    assert answer.code == 1
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not (project / "run/multi/seed-0/test").exists()
    assert polytask(*TRAIN, "--resume").code == 0
    assert contents(project / "run") == whole


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_results_are_written(
    number: int,
    project: Path,
    polytask: Command,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = run_module.write_model

    def stopping(*arguments: Any) -> None:
        signal.raise_signal(number)
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "write_model", stopping)
        answer = polytask(*TRAIN)
    assert (answer.code, answer.err.splitlines()[-1]) == (
        1,
        "polytask: stopped; --resume goes on with run",
    )
    assert polytask(*TRAIN, "--resume").code == 0
    assert contents(project / "run") == whole


def test_a_stop_before_anything_is_written(
    project: Path, polytask: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*arguments: Any, **options: Any) -> None:
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("polytask.experiment.experiment.prepare", stopping)
    answer = polytask(*TRAIN)
    assert (answer.code, answer.err) == (1, "polytask: stopped; nothing begun\n")
    assert not (project / "run").exists()
    assert signal.getsignal(signal.SIGTERM) == before


def until(holds: Callable[[], bool], *, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_sigterm_to_a_process_of_its_own(project: Path, polytask: Command) -> None:
    changes = ("training.epochs=60", "training.evaluate_every=150", "baselines=none")
    more = [part for change in changes for part in ("--set", change)]
    log = project / "run/multi/seed-0/metrics.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "polytask", *TRAIN, *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: log.exists() and bool(log.read_text()))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert said.splitlines()[-1].startswith("polytask: stopped at step")
    assert said.splitlines()[-1].endswith("the run can be resumed from run/multi/seed-0")
    assert polytask(*TRAIN, *more, "--resume").code == 0
    assert polytask("train", "recipe.yaml", "--out", "whole", *more).code == 0
    assert contents(project / "run") == contents(project / "whole")
