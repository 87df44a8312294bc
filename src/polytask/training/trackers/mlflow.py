"""MLflow as an observer."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.files import write_text
from polytask.training.observer import Outcome
from polytask.training.trackers.base import flat, missing

__all__ = ["MLflow"]

MOST = 1000
"""Metrics that MLflow takes in one batch (its REST API, "Log Batch")."""

STATUS: Mapping[Outcome, str] = {
    "finished": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
}
"""What MLflow calls the ends of a run."""


class MLflow:
    """Writes into an MLflow file store what `TensorBoard` writes, under the same names.

    A resumed run goes on with its MLflow run; a step that a crash undid is there twice. MLflow does
    not know the ``+`` that a task's name may have: it becomes a ``.``.

    Args:
        folder: of the store.
        name: of the run.

    Raises:
        InputError: mlflow is not installed.
    """

    def __init__(self, folder: Path, *, name: str) -> None:
        # Since version 3.8 MLflow wants to be told that a store of files, which needs neither a
        # server nor a database, is meant.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric
        except ImportError as error:
            raise missing("mlflow-skinny") from error
        self.folder, self.name = folder, name
        self._make, self._metric = MlflowClient, Metric
        self._client: Any = None
        self._run = ""
        self._waiting: list[Any] = []

    def start(self, step: int, total: int) -> None:
        self._client = self._make(tracking_uri=self.folder.resolve().as_uri())
        note = self.folder / "polytask-run"
        if note.is_file():
            self._run = note.read_text(encoding="utf-8")
            self._client.update_run(self._run, status="RUNNING")
            return
        found = self._client.get_experiment_by_name("polytask")
        experiment = found.experiment_id if found else self._client.create_experiment("polytask")
        self._run = self._client.create_run(experiment, run_name=self.name).info.run_id
        write_text(note, self._run)

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        self._add(step, {f"loss/{task}": loss for task, loss in losses.items()})

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        self._add(step, flat(metrics, score))
        self._send()

    def close(self, outcome: Outcome) -> None:
        self._send()
        self._client.set_terminated(self._run, status=STATUS[outcome])

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        self._waiting += [
            self._metric(name.replace("+", "."), value, now, step) for name, value in values.items()
        ]
        if len(self._waiting) >= MOST:
            self._send()

    def _send(self) -> None:
        """Log all that waits, in batches that MLflow takes."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST):
            self._client.log_batch(self._run, metrics=waiting[start : start + MOST])
