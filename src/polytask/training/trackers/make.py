"""From the names in a recipe to trackers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polytask.training.observer import Observer
from polytask.training.trackers.mlflow import MLflow
from polytask.training.trackers.tensorboard import TensorBoard

__all__ = ["make_trackers"]


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
