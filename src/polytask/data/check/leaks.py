"""Columns that give the answer away.

Shapes: N measured training rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import cache

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding, Level
from polytask.data.check.values import codes, present, target_numbers
from polytask.data.inputs.features import Features
from polytask.tasks import Task

__all__ = ["find"]

CORRELATED = 0.999
"""|correlation| from which a column is the target in another unit."""

FEWEST = 20
"""Measured rows below which columns agree by chance."""

REPEATED = 4
"""Rows per distinct value from which it means something that a value always has one label."""


def find(examined: Examined) -> Iterator[Finding]:
    """Input columns that are a target, equal it, or determine it."""
    if not isinstance(examined.data.input, Features):
        names = [name for name in examined.columns if examined.train.columns[name].ndim == 1]
        yield from _targets_among_inputs(examined, tuple(names))
        return
    yield from _targets_among_inputs(examined, examined.columns)
    flat = [name for name in examined.columns if _is_flat(examined.train.columns[name])]
    coded = cache(lambda name: codes(examined.train.columns[name]))
    for task in examined.tasks:
        target = examined.targets[task.name].get("train")
        if target is None or not _is_flat(target) or present(target).sum() < FEWEST:
            continue
        numbers = target_numbers(task, target)
        labels = codes(target) if task.name in examined.labels else None
        for name in flat:
            said = None
            if name != task.target_column and numbers is not None:
                said = _correlated(examined.train.columns[name], numbers)
            elif name != task.target_column and labels is not None:
                said = _determines(coded(name), labels)
            if said:
                yield _finding(examined, task, name, "warning", said)


def _targets_among_inputs(examined: Examined, names: tuple[str, ...]) -> Iterator[Finding]:
    for task in examined.tasks:
        if task.target_column in names:
            message = "the target is among the inputs"
            yield _finding(examined, task, task.target_column, "error", message)


def _is_flat(values: np.ndarray) -> bool:
    """Whether each cell is one value, not a vector or list."""
    if values.ndim > 1:
        return False
    return values.dtype != object or all(isinstance(v, Hashable) for v in values)


def _correlated(column: np.ndarray, target: np.ndarray) -> str | None:
    """What is wrong with a column of numbers beside a target of numbers."""
    if column.dtype == object:
        return None
    values = column.astype(np.float64)
    both = np.isfinite(values) & np.isfinite(target)
    x, y = values[both], target[both]
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    if np.array_equal(x, y):
        return "equals the target in every training row"
    correlation = float(np.corrcoef(x, y)[0, 1])
    if abs(correlation) > CORRELATED:
        return f"has a correlation of {correlation:.4f} with the target in the training rows"
    return None


def _determines(column: np.ndarray, labels: np.ndarray) -> str | None:
    """What is wrong with a column beside labels; both as codes ``[N]``, -1 where missing."""
    both = (column >= 0) & (labels >= 0)
    x, y = column[both], labels[both]
    values, kinds = len(np.unique(x)), len(np.unique(y))
    if len(x) < max(FEWEST, REPEATED * values) or kinds < 2:
        return None
    pairs = len(np.unique(x * (int(labels.max()) + 1) + y))
    if pairs == values == kinds:
        return "each of its values belongs to one label and the other way round"
    if pairs == values:
        return f"each of its {values:,} values always has the same label in the training rows"
    return None


def _finding(examined: Examined, task: Task, column: str, level: Level, message: str) -> Finding:
    return Finding(
        level=level,
        kind="leaks",
        message=message,
        data=examined.name,
        column=column,
        task=task.name,
    )
