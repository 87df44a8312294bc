"""Labels as class numbers: found in the training split, looked up everywhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from polytask.errors import InputError, unknown
from polytask.tasks.outputs.base import Place

__all__ = [
    "Label",
    "Unknown",
    "check_labels",
    "choose_classes",
    "encode_labels",
    "find_classes",
    "is_missing",
    "to_label",
]

Label = bool | int | float | str
"""A class label as recipes and predictions show it."""

Unknown = Literal["error", "wrong"]
"""What becomes of a label that training does not have."""


def is_missing(value: Any) -> bool:
    """True for None, NaN and the empty string: a target that was not measured."""
    if isinstance(value, str):
        return not value
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def to_label(value: Any, *, where: str = "") -> Label:
    """A plain Python label; a whole float becomes an int, so that 1.0 and 1 are one class.

    Raises:
        InputError: the value is neither text nor a number.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, bool | int | float | str):
        problem = f"a label must be text or a number, got {plain!r}"
        raise InputError(f"{where}: {problem}" if where else problem)
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def find_classes(values: Iterable[Any], *, where: str) -> dict[Label, int]:
    """The sorted distinct labels, without missing ones, and how often each comes.

    Raises:
        InputError: a value is neither text nor a number.
    """
    counts = Counter(to_label(value, where=where) for value in values if not is_missing(value))
    order = sorted(counts, key=lambda label: (isinstance(label, str), label))
    return {label: counts[label] for label in order}


def choose_classes(
    given: Sequence[Label] | None, found: Mapping[Label, int], *, where: str
) -> tuple[Label, ...]:
    """The classes of a task: those given, else those found in training.

    Raises:
        InputError: a class is given twice, or training has a label that is not given.
    """
    if given is None:
        return tuple(found)
    classes = tuple(to_label(label, where=where) for label in given)
    if len(set(classes)) < len(classes):
        raise InputError(f"{where}: a class is given twice: {list(classes)}")
    check_labels("label", found, classes, where=where)
    return classes


def check_labels(
    kind: str, labels: Iterable[Label], classes: Sequence[Label], *, where: str
) -> None:
    """Refuse labels that are no classes.

    Raises:
        InputError: names the first such label and the nearest class.
    """
    for label in labels:
        if label not in classes:
            raise unknown(kind, label, classes, where=where)


def encode_labels(
    values: Sequence[Any] | np.ndarray,
    number: Mapping[Label, int],
    place: Place,
    *,
    unseen: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers ``[N]`` int64 and the mask ``[N]`` of measured ones.

    Args:
        values: the labels.
        number: label -> class number.
        place: tells where a row stands, for messages.
        unseen: the number of every label that is no class; by default such a label is an error.

    Raises:
        InputError: a label that is no class, with its place and the nearest class.
    """
    index = np.zeros(len(values), dtype=np.int64)
    mask = np.zeros(len(values), dtype=bool)
    for row, value in enumerate(values):
        if is_missing(value):
            continue
        try:
            label = to_label(value)
        except InputError as error:
            raise InputError(f"{place(row)}: {error}") from error
        if unseen is None and label not in number:
            raise unknown("label", label, number, where=place(row))
        index[row], mask[row] = number.get(label, unseen or 0), True
    return index, mask
