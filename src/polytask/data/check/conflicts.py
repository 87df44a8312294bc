"""Equal inputs with different targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.values import present
from polytask.data.check.wording import counted, percent, place, quoted
from polytask.data.inputs.features import Features
from polytask.data.table import Table
from polytask.tasks import Task

__all__ = ["find"]

EXAMPLES = 3
"""Examples in a message."""


def find(examined: Examined) -> Iterator[Finding]:
    """Inputs that come several times in training with different targets; none can be right."""
    groups = _repeated(examined.keys.get("train", ()))
    for task in examined.tasks if groups else ():
        values = examined.targets[task.name].get("train")
        if values is None:
            continue
        measured = present(values)
        conflicting = [
            rows
            for rows in ([row for row in group if measured[row]] for group in groups)
            if len({_key(values[row]) for row in rows}) > 1
        ]
        if conflicting:
            yield _finding(examined, task, values, conflicting)


def _repeated(keys: Sequence[Hashable]) -> list[list[int]]:
    """The rows of each input that comes more than once."""
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return [group for group in rows.values() if len(group) > 1]


def _key(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return tuple(value) if isinstance(value, list) else value


def _said(train: Table, values: np.ndarray, row: int) -> str:
    return f"{quoted(values[row])} in {place(train, row)}"


def _finding(
    examined: Examined, task: Task, values: np.ndarray, groups: list[list[int]]
) -> Finding:
    train, column = examined.train, examined.columns[0]
    rows = sum(len(group) for group in groups)
    examples = []
    for group in groups[:EXAMPLES]:
        first = group[0]
        other = next(row for row in group if _key(values[row]) != _key(values[first]))
        both = f"{_said(train, values, first)} and {_said(train, values, other)}"
        value = train.columns[column][first]
        is_shown = isinstance(value, str | list | tuple)
        examples.append(f"{quoted(value)} is {both}" if is_shown else both)
    # Measurements differ, and so do rows of a few columns; labels of a text contradict each other.
    contradiction = task.name in examined.labels and not isinstance(examined.data.input, Features)
    return Finding(
        level="warning" if contradiction else "note",
        kind="conflicts",
        message=(
            f"{counted(len(groups), 'input')} with different targets in several rows "
            f"({counted(rows, 'row')}, {percent(rows, len(values))}): {'; '.join(examples)}"
        ),
        data=examined.name,
        split="train",
        task=task.name,
        details={"inputs": len(groups), "rows": rows, "examples": examples},
    )
