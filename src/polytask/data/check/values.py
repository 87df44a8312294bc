"""Which cells are there, and how often each label comes; fast on large columns.

Shapes: N rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from polytask.errors import InputError
from polytask.tasks import Task
from polytask.tasks.outputs.classification import Classification
from polytask.tasks.outputs.label_sets import split_labels
from polytask.tasks.outputs.labels import Label, is_missing, to_label
from polytask.tasks.outputs.multi_label import MultiLabel
from polytask.tasks.outputs.numbers import numbers
from polytask.tasks.outputs.ordinal import Ordinal
from polytask.tasks.outputs.regression import Regression
from polytask.tasks.outputs.tagging import Tagging

__all__ = ["codes", "count_values", "label_counts", "present", "target_numbers"]


def present(values: np.ndarray) -> np.ndarray:
    """``[N]`` whether each cell holds something; of a vector, whether any number does."""
    if values.dtype == object:
        # Text first: it is what long columns hold, and asking its type is quick.
        there = [v != "" if type(v) is str else not is_missing(v) for v in values]
        return np.array(there, dtype=bool)
    if values.dtype.kind != "f":
        return np.ones(len(values), dtype=bool)
    return np.asarray(~np.isnan(values.reshape(len(values), -1)).all(axis=1))


def count_values(values: Iterable[Any]) -> dict[Label, int]:
    """The distinct labels, sorted, and how often each comes; what cannot be a label is left out."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        distinct, counts = np.unique(values[present(values)], return_counts=True)
        return {to_label(value): int(n) for value, n in zip(distinct, counts, strict=True)}
    found: Counter[Label] = Counter()
    for value, count in _count(list(values)).items():
        if is_missing(value):
            continue
        try:
            found[to_label(value)] += count
        except InputError:
            continue  # reported by the check of targets, with its place
    return {label: found[label] for label in sorted(found, key=_order)}


def label_counts(task: Task, values: np.ndarray) -> dict[Label, int] | None:
    """Label -> how often it comes in a target column; None if the task has no labels."""
    output = task.output
    if isinstance(output, Classification | Ordinal):
        return count_values(values if values.ndim == 1 else ())
    if isinstance(output, Tagging):
        return count_values(chain.from_iterable(v for v in values if _is_list(v)))
    return _count_sets(output, values) if isinstance(output, MultiLabel) else None


def target_numbers(task: Task, values: np.ndarray) -> np.ndarray | None:
    """``[N]`` a target column as numbers, NaN where missing; None for other tasks and vectors."""
    if not isinstance(task.output, Regression) or values.ndim > 1:
        return None
    try:
        found = numbers(values, str)
    except InputError:
        return None  # reported by the check of targets, with its place
    return found if found.ndim == 1 else None


def codes(values: np.ndarray) -> np.ndarray:
    """``[N]`` the number of each cell's value among the distinct values; -1 where missing."""
    there = present(values)
    result = np.full(len(values), -1, dtype=np.int64)
    if values.dtype != object:
        result[there] = np.unique(values[there], return_inverse=True)[1]
        return result
    position: dict[Any, int] = {}
    result[there] = [position.setdefault(value, len(position)) for value in values[there]]
    return result


def _count(cells: list[Any]) -> Counter[Any]:
    try:
        return Counter(cells)
    except TypeError:  # lists among them
        return Counter(cell for cell in cells if isinstance(cell, Hashable))


def _count_sets(output: MultiLabel, values: np.ndarray) -> dict[Label, int] | None:
    try:
        cells = split_labels(values, output.separator, str)
    except InputError:
        return None  # reported by the check of targets, with its place
    if isinstance(cells, np.ndarray):
        names = output.classes or range(cells.shape[1])
        sums = np.nansum(cells, axis=0).astype(int)
        return dict(zip(names, sums.tolist(), strict=False))
    return count_values(chain.from_iterable(cell for cell in cells if cell is not None))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _order(label: Label) -> tuple[bool, Label]:
    return isinstance(label, str), label
