"""A run that stops anywhere and goes on equals the run that never stopped, bit for bit."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.training.made import (
    Case,
    Crash,
    Recorder,
    assert_equal,
    one_task,
    table,
    two_tasks,
    weights,
)

from polytask.data.mixtures import Power
from polytask.errors import InputError, RunError
from polytask.tasks import Regression
from polytask.training import Trainer
from polytask.training.log import read_log

TWO_DATA = {
    "tables": {"a": table(40, 0), "b": table(17, 1)},
    "tasks": [*two_tasks("a"), *two_tasks("b")],
    "mixture": Power(alpha=0.5),
}

CASES: dict[str, Case] = {
    "plain": Case(),
    "dropout": Case(dropout=0.5),
    "cosine": Case(options={"schedule": "cosine", "warmup": 0.3, "weight_decay": 0.1}),
    "patience": Case(options={"patience": 1, "evaluate_every": 2, "learning_rate": 0.3}),
    "two data sets": Case(**TWO_DATA),
    "all data sets at once": Case(**TWO_DATA, per_step=None, dropout=0.2),
    "joined": Case(**TWO_DATA, per_step=None, joined=True),
    "micro-batches": Case(options={"micro_batches": 3}, dropout=0.3),
    "sgd": Case(options={"optimizer": "sgd", "learning_rate": 0.02}),
    "workers": Case(**TWO_DATA, options={"workers": 2}),
    "worse after the first": Case(options={"learning_rate": 0.5, "evaluate_every": 1}),
    "whole-batch loss": Case(tasks=one_task(Regression(loss="ccc"))),
    "balanced": Case(dropout=0.2, balance={"method": "pcgrad", "update_every": 3}),
    "balanced losses": Case(dropout=0.2, balance={"method": "dwa", "period": 2}),
    "balanced groups": Case(balance={"method": "grad_norm", "groups": "layer"}),
    "learned weights": Case(balance={"method": "uncertainty", "learning_rate": 0.1}),
    "bf16": Case(options={"precision": "bf16"}),
    "fp16": Case(options={"precision": "fp16"}, balance={"method": "pcgrad", "update_every": 2}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, list[Any]]]:
    """Case -> weights and log of the run that never stopped."""
    found = {}
    for name, case in CASES.items():
        folder = tmp_path_factory.mktemp("whole")
        found[name] = (case.trained(folder), read_log(folder / "metrics.jsonl"))
    return found


@pytest.mark.parametrize("name", CASES)
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 11), min_size=1, max_size=3), st.integers(1, 5))
def test_crashes_change_nothing(
    name: str,
    tmp_path_factory: pytest.TempPathFactory,
    whole: dict[str, tuple[Any, list[Any]]],
    crashes: list[int],
    every: int,
) -> None:
    case, folder = CASES[name], tmp_path_factory.mktemp("parts")
    free = {**case.options, "checkpoint_every": every, "log_every": 1}
    case = Case(**{**vars(case), "options": free})
    for step in crashes:
        trainer = case.trainer(folder, observers=[Recorder(fail_after=step)])
        trainer.resume()
        try:
            trainer.fit()
        except Crash:
            assert trainer.state.step >= step
    trainer = case.trainer(folder)
    trainer.resume()
    trainer.fit()
    assert_equal(weights(trainer.model), whole[name][0])
    assert read_log(folder / "metrics.jsonl") == whole[name][1]


def crashed(case: Case, folder: Path, *, after: int) -> Trainer:
    trainer = case.trainer(folder, observers=[Recorder(fail_after=after)])
    with pytest.raises(Crash):
        trainer.fit()
    return case.trainer(folder)


def test_a_crash_loses_at_most_the_steps_since_the_last_checkpoint(tmp_path: Path) -> None:
    trainer = crashed(Case(options={"checkpoint_every": 3, "log_every": 1}), tmp_path, after=8)
    assert trainer.resume()
    assert trainer.state.step == 6


def test_a_new_run_in_the_folder_of_another_is_refused(tmp_path: Path) -> None:
    trainer = crashed(Case(options={"log_every": 1, "checkpoint_every": 2}), tmp_path, after=5)
    with pytest.raises(InputError, match="holds a run already"):
        trainer.fit()


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    first = Case().trained(tmp_path)
    again = Case().trainer(tmp_path)
    assert again.resume()
    assert again.fit().finished
    assert_equal(weights(again.model), first)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed was 0, is 1"),
        ({"options": {"learning_rate": 0.1}}, "learning_rate"),
        ({"tables": {"a": table(41, 0)}}, "data was"),
        ({"tasks": two_tasks()[:1]}, "tasks"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    Case().trained(tmp_path)
    other = Case(**change).trainer(tmp_path)
    with pytest.raises(InputError, match=named):
        other.resume()


def test_the_checkpoint_of_changed_data_is_refused(tmp_path: Path) -> None:
    tasks = [two_tasks()[0]]
    Case(tasks=tasks).trained(tmp_path)
    more = table(40, 0)
    more.columns["label"][5] = "mid"
    with pytest.raises(InputError, match="data was"):
        Case(tasks=tasks, tables={"a": more}).trainer(tmp_path).resume()


def test_options_that_compute_nothing_may_change(tmp_path: Path) -> None:
    whole = Case().trained(tmp_path / "whole")
    crashed(Case(options={"log_every": 1, "checkpoint_every": 2}), tmp_path / "part", after=5)
    trainer = Case(options={"workers": 1, "keep": 5, "log_every": 7}).trainer(tmp_path / "part")
    trainer.resume()
    trainer.fit()
    assert_equal(weights(trainer.model), whole)


def test_patience_without_validation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="patience"):
        Case(options={"patience": 2}, validate=False).trainer(tmp_path)


def test_a_request_to_stop_leaves_a_checkpoint(tmp_path: Path) -> None:
    class Stopper(Recorder):
        def step(self, step: int, total: int, losses: Any) -> None:
            if step == 5:
                signal.raise_signal(signal.SIGTERM)

    case = Case(options={"log_every": 1, "checkpoint_every": 100})
    whole = case.trained(tmp_path / "whole")
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RunError, match="stopped at step 6 of 12"):
        case.trainer(tmp_path / "part", observers=[Stopper()]).fit()
    assert signal.getsignal(signal.SIGTERM) == handler
    trainer = case.trainer(tmp_path / "part")
    assert trainer.resume()
    trainer.fit()
    assert_equal(weights(trainer.model), whole)


def test_a_request_in_the_last_step_is_not_lost(tmp_path: Path) -> None:
    class Stopper(Recorder):
        def evaluated(self, step: int, metrics: Any, score: float) -> None:
            if step == 12:
                signal.raise_signal(signal.SIGINT)

    stopper = Stopper()
    with pytest.raises(RunError, match="after its last step, 12, before its results were written"):
        Case().trainer(tmp_path / "part", observers=[stopper]).fit()
    assert stopper.closed == ["stopped"]
    trainer = Case().trainer(tmp_path / "part")
    trainer.resume()
    assert trainer.fit().finished
    assert_equal(weights(trainer.model), Case().trained(tmp_path / "whole"))


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    class Stopper(Recorder):
        def step(self, step: int, total: int, losses: Any) -> None:
            signal.raise_signal(signal.SIGINT)

    stopper = Stopper()
    with pytest.raises(KeyboardInterrupt):
        Case(options={"log_every": 1}).trainer(tmp_path, observers=[stopper]).fit()
    assert stopper.closed == ["stopped"]
