"""What the matched single-task models reached: the reference of the multi-task model's score."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from polytask.experiment.results import read_summary
from polytask.tasks import TaskSet

__all__ = ["single_task_reference"]

logger = logging.getLogger(__name__)


def single_task_reference(tasks: TaskSet, runs: Mapping[str, Path]) -> dict[str, float | None]:
    """Task -> the validation value of its single-task model, in its primary metric.

    None where that is not a positive number (no F1 above zero, a negative R2, no labelled
    validation example): a share of it would mean nothing, so that the task is scored as without a
    reference.

    Args:
        tasks: of the multi-task model.
        runs: task -> folder of its single-task run, which is done.

    Raises:
        InputError: a summary of a run cannot be read.
    """
    found = {name: _value(tasks, name, folder) for name, folder in runs.items()}
    without = [name for name, value in found.items() if value is None]
    if without:
        logger.warning(
            "select.reference: the single-task value of %s is no positive number; scored without",
            ", ".join(without),
        )
    return found


def _value(tasks: TaskSet, name: str, folder: Path) -> float | None:
    validation = read_summary(folder / "run.json").get("validation", {})
    value = validation.get(name, {}).get(tasks[name].output.primary_metric)
    return float(value) if value is not None and value > 0 else None
