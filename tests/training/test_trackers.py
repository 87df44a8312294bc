"""TensorBoard and MLflow: what they show after a crash, and how they say that a run ended."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.training.made import Case, Crash, Recorder, two_tasks

from polytask.errors import InputError, RunError
from polytask.training.trackers import MLflow, make_trackers

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def run(folder: Path, tracker: str, observer: Recorder, case: Case | None = None) -> None:
    """Train, or go on, with a tracker, and with an observer that may raise."""
    case = case or Case(options={"log_every": 1, "checkpoint_every": 2})
    trainer = case.trainer(folder, observers=[*make_trackers([tracker], folder), observer])
    trainer.resume()
    with suppress(Crash, RunError):
        trainer.fit()


class Stopper(Recorder):
    """Asks the run to stop, as Ctrl-C and SIGTERM do."""

    def step(self, step: int, total: int, losses: Any) -> None:
        if step == 5:
            signal.raise_signal(signal.SIGTERM)


def scalars(folder: Path, name: str) -> list[int]:
    """The steps at which TensorBoard shows a scalar."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = module.EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return [event.step for event in found.Scalars(name)]


def test_tensorboard_shows_each_step_once(tmp_path: Path) -> None:
    for fail_after in (7, None):
        run(tmp_path, "tensorboard", Recorder(fail_after))
    assert scalars(tmp_path, "loss/a_value") == list(range(1, 13))
    assert scalars(tmp_path, "a_label/accuracy") == [4, 8, 12]


def test_tensorboard_has_all_steps_of_a_run_that_failed(tmp_path: Path) -> None:
    run(tmp_path, "tensorboard", Recorder(fail_after=7))
    assert scalars(tmp_path, "loss/a_value") == list(range(1, 8))


def test_tensorboard_has_every_evaluation_of_a_run_that_was_killed(tmp_path: Path) -> None:
    """Nobody closes the tracker, as after a power cut: what is before a checkpoint is there."""
    (tracker,) = make_trackers(["tensorboard"], tmp_path)
    tracker.start(0, 12)
    tracker.step(1, 12, {"a": 0.5})
    tracker.evaluated(1, {"a": {"accuracy": 0.5}}, 0.5)
    assert scalars(tmp_path, "loss/a") == [1]
    tracker.close("failed")


def mlflow_run(folder: Path) -> tuple[Any, Any]:
    """The client and the only run in the MLflow store of a run."""
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(tracking_uri=(folder / "mlflow").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("polytask").experiment_id])
    return client, found


def test_mlflow_goes_on_with_its_run(tmp_path: Path) -> None:
    before = 1000 * time.time()
    run(tmp_path, "mlflow", Recorder(fail_after=7))
    assert mlflow_run(tmp_path)[1].info.status == "FAILED"
    run(tmp_path, "mlflow", Recorder())
    client, found = mlflow_run(tmp_path)
    assert found.info.status == "FINISHED"
    history = client.get_metric_history(found.info.run_id, "loss/a_value")
    assert {metric.step for metric in history} == set(range(1, 13))
    assert all(before - 1 <= metric.timestamp <= 1000 * time.time() for metric in history)
    assert {"score", "a_label/accuracy"} <= set(found.data.metrics)


def test_mlflow_tells_a_run_that_was_stopped(tmp_path: Path) -> None:
    run(tmp_path, "mlflow", Stopper())
    assert mlflow_run(tmp_path)[1].info.status == "KILLED"


def test_mlflow_takes_every_name_that_a_task_may_have(tmp_path: Path) -> None:
    tasks = [replace(task, name=f"{task.name}+é-1") for task in two_tasks()]
    run(tmp_path, "mlflow", Recorder(), Case(tasks=tasks))
    _, found = mlflow_run(tmp_path)
    assert "loss/a_value.é-1" in found.data.metrics


class Client:
    """Takes batches as MLflow's server does: no more than a thousand metrics at a time."""

    def __init__(self, tracking_uri: str) -> None:
        self.sent: list[Any] = []
        self.status = ""

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return "1"

    def create_run(self, experiment: str, *, run_name: str) -> Any:
        return SimpleNamespace(info=SimpleNamespace(run_id="2"))

    def log_batch(self, run: str, *, metrics: list[Any]) -> None:
        assert 0 < len(metrics) <= 1000
        self.sent += metrics

    def set_terminated(self, run: str, *, status: str) -> None:
        self.status = status


def test_mlflow_is_sent_batches_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    client = Client("")
    monkeypatch.setattr("mlflow.MlflowClient", lambda tracking_uri: client)
    tracker = MLflow(tmp_path, name="many")
    tracker.start(0, 9)
    for step in (1, 2, 3):
        tracker.step(step, 9, {f"t{task}": float(task) for task in range(700)})
    tracker.evaluated(3, {f"t{task}": {"accuracy": 0.5} for task in range(2500)}, 0.5)
    tracker.close("finished")
    names = [(metric.step, metric.key, metric.value) for metric in client.sent]
    assert len(names) == len(set(names)) == 3 * 700 + 2500 + 1
    assert (2, "loss/t699", 699.0) in names
    assert client.status == "FINISHED"


def test_a_tracker_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError, match=r"mlflow-skinny is not installed: pip install"):
        make_trackers(["mlflow"], tmp_path)
