"""Tasks that cannot be learned or scored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding, Level
from polytask.data.check.values import present
from polytask.errors import InputError
from polytask.tasks import Task
from polytask.tasks.outputs.classification import Classification
from polytask.tasks.outputs.ordinal import Ordinal

__all__ = ["find"]


def find(examined: Examined) -> Iterator[Finding]:
    """Tasks without labels, with one class, with hardly more rows than classes, or unreadable."""
    for task in examined.tasks:
        yield from _absent(examined, task)
        if "train" in examined.targets[task.name]:
            yield from _learnable(examined, task)
            yield from _scored(examined, task)


def _absent(examined: Examined, task: Task) -> Iterator[Finding]:
    columns = (task.target_column, *task.where, *filter(None, [task.example_weight]))
    for split, table in examined.data.tables.items():
        for name in columns:
            try:
                table.column(name)
            except InputError as error:
                yield _finding(examined, task, "error", str(error), split=split)


def _learnable(examined: Examined, task: Task) -> Iterator[Finding]:
    values = examined.targets[task.name]["train"]
    measured = int(present(values).sum())
    if not measured:
        yield _finding(examined, task, "error", f"no label in {len(values):,} training rows")
        return
    try:
        fitted = task.fit(_only_measured(task, values), where=examined.train.origin)
    except InputError as error:
        yield _finding(examined, task, "error", str(error))
        return
    yield from _few_rows(examined, fitted, measured)
    if not isinstance(task.output, Classification | Ordinal):  # these: see the check "unseen"
        yield from _readable(examined, fitted)


def _only_measured(task: Task, values: np.ndarray) -> np.ndarray:
    """Without the rows that are missing, where finding classes does not need them: it is faster."""
    labels = isinstance(task.output, Classification | Ordinal)
    return values[present(values)] if labels and values.dtype != object else values


def _few_rows(examined: Examined, task: Task, measured: int) -> Iterator[Finding]:
    if not isinstance(task.output, Classification | Ordinal):
        return
    classes = len(task.output.classes or ())
    if measured < 2 * classes:
        level: Level = "error" if measured < classes else "warning"
        message = f"{measured:,} training rows with a label for {classes:,} classes"
        yield _finding(examined, task, level, message)


def _readable(examined: Examined, task: Task) -> Iterator[Finding]:
    for split, values in examined.targets[task.name].items():
        if _reported(examined, task, split):
            continue
        try:
            task.output.encode(values, examined.data.tables[split].place)
        except InputError as error:
            yield _finding(examined, task, "error", str(error), split=split)


def _reported(examined: Examined, task: Task, split: str) -> bool:
    """Whether the check "unseen" tells what is wrong with the labels of this split."""
    labels = examined.labels.get(task.name, {})
    return bool(set(labels.get(split, {})) - set(labels.get("train", {})))


def _scored(examined: Examined, task: Task) -> Iterator[Finding]:
    for split, values in examined.targets[task.name].items():
        if split != "train" and not present(values).any():
            message = f"no label in {len(values):,} rows: the task gets no score here"
            yield _finding(examined, task, "warning", message, split=split)


def _finding(
    examined: Examined, task: Task, level: Level, message: str, *, split: str = "train"
) -> Finding:
    return Finding(
        level=level,
        kind="targets",
        message=message,
        data=examined.name,
        split=split,
        task=task.name,
    )
