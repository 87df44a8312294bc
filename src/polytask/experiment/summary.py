"""What the data of an experiment is like, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytask.data import DataSet, target_values
from polytask.recipe import Prepared
from polytask.tasks import Task
from polytask.tasks.outputs.labels import is_missing

__all__ = ["summarise"]


def summarise(prepared: Prepared) -> dict[str, Any]:
    """Rows of every split, and per task the type of output and the number of labelled rows."""
    return {
        "data": {
            name: {f"{split} rows": len(table) for split, table in data.tables.items()}
            for name, data in prepared.data.items()
        },
        "tasks": {
            name: {
                "data": task.data,
                "output": type(task.output).__name__,
                "outputs": task.output.size,
                **_labelled(task, prepared.data[task.data]),
            }
            for name, task in prepared.tasks.items()
        },
    }


def _labelled(task: Task, data: DataSet) -> dict[str, int]:
    return {
        f"{split} labels": count_labelled(target_values(table, task))
        for split, table in data.tables.items()
    }


def count_labelled(values: np.ndarray) -> int:
    """Number of rows with a target."""
    if values.dtype != object:
        present = ~np.isnan(values.reshape(len(values), -1).astype(float))
        return int(present.any(axis=1).sum())
    return sum(not is_missing(value) for value in values)
