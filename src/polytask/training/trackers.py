"""Trackers as observers: TensorBoard and MLflow, in local files, imported only when used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.errors import InputError
from polytask.training.observer import Observer

__all__ = ["MLflow", "TensorBoard", "make_trackers"]


class TensorBoard:
    """Writes ``loss/<task>``, ``<task>/<metric>`` and ``score`` for TensorBoard.

    Args:
        folder: of the event files.

    Raises:
        InputError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        self.folder = folder
        self._make = SummaryWriter
        self._writer: Any = None

    def start(self, step: int, total: int) -> None:
        # What was written after the checkpoint is hidden, as it is done again.
        self._writer = self._make(str(self.folder), purge_step=step + 1 if step else None)

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        for task, loss in losses.items():
            self._writer.add_scalar(f"loss/{task}", loss, step)

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        for name, value in flat(metrics, score).items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class MLflow:
    """Writes the same names into an MLflow file store; a resumed run goes on with its MLflow run.

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
            raise _missing("mlflow-skinny") from error
        self.folder, self.name = folder, name
        self._make, self._metric = MlflowClient, Metric
        self._client: Any = None
        self._run = ""

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
        note.write_text(self._run, encoding="utf-8")

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        self._log(step, {f"loss/{task}": loss for task, loss in losses.items()})

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        self._log(step, flat(metrics, score))

    def close(self) -> None:
        self._client.set_terminated(self._run)

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        found = [self._metric(name, value, 0, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=found)


def make_trackers(names: Sequence[str], folder: Path) -> list[Observer]:
    """The trackers of a run.

    Args:
        names: ``tensorboard`` or ``mlflow``.
        folder: of the run; each tracker has a folder of its name inside.

    Raises:
        InputError: a tracker is not installed.
    """
    made: list[Observer] = []
    for name in names:
        place = folder / name
        made.append(
            TensorBoard(place) if name == "tensorboard" else MLflow(place, name=folder.name)
        )
    return made


def flat(metrics: Mapping[str, Mapping[str, float]], score: float) -> dict[str, float]:
    """Metrics under one name each, ``<task>/<metric>``, with the score; those that are defined."""
    values = {f"{task}/{m}": v for task, found in metrics.items() for m, v in found.items()}
    return {name: value for name, value in {**values, "score": score}.items() if value == value}


def _missing(package: str) -> InputError:
    return InputError(f"training.track: {package} is not installed: pip install 'polytask[track]'")
