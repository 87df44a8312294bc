"""Target cells as numbers.

Shapes: N rows, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from polytask.errors import InputError
from polytask.tasks.outputs.base import Place
from polytask.tasks.outputs.labels import is_missing

__all__ = ["mean_and_std", "numbers"]


def numbers(values: np.ndarray, place: Place) -> np.ndarray:
    """A column as float64 ``[N]`` or ``[N, D]``, NaN where a number is missing.

    Args:
        values: a numeric array, or an object array of numbers or of sequences of D numbers; None,
            NaN and the empty string are missing, a missing sequence is missing in all dimensions.
        place: tells where a row stands, for messages.

    Raises:
        InputError: a cell is no number or infinite, or sequences differ in length.
    """
    if values.dtype.kind in "biuf":
        return _finite(values.astype(np.float64), place)
    if values.ndim > 1:
        values = _as_column(values)
    width = next((len(cell) for cell in values if _is_sequence(cell)), None)
    if width is None:
        return _finite(np.array([_number(v, place, i) for i, v in enumerate(values)]), place)
    rows = [_row(cell, width, place, index) for index, cell in enumerate(values)]
    return _finite(np.array(rows, dtype=np.float64).reshape(len(rows), width), place)


def _as_column(values: np.ndarray) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = [list(row) for row in values]
    return column


def _is_sequence(cell: Any) -> bool:
    return isinstance(cell, Sequence | np.ndarray) and not isinstance(cell, str | bytes)


def _row(cell: Any, width: int, place: Place, index: int) -> list[float]:
    if is_missing(cell):
        return [math.nan] * width
    if not _is_sequence(cell):
        raise InputError(f"{place(index)}: expected {width} numbers, got {cell!r}")
    if len(cell) != width:
        raise InputError(f"{place(index)}: expected {width} numbers, got {len(cell)}")
    return [_number(item, place, index) for item in cell]


def _number(cell: Any, place: Place, index: int) -> float:
    if is_missing(cell):
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError) as error:
        raise InputError(f"{place(index)}: expected a number, got {cell!r}") from error


def _finite(values: np.ndarray, place: Place) -> np.ndarray:
    infinite = np.flatnonzero(np.isinf(values).reshape(len(values), -1).any(axis=1))
    if len(infinite):
        raise InputError(f"{place(int(infinite[0]))}: a target is infinite")
    return values


def mean_and_std(values: np.ndarray, *, where: str) -> tuple[float, float]:
    """Mean and standard deviation (over n) of the measured values of one dimension.

    Raises:
        InputError: nothing was measured, or every value is the same.
    """
    if not len(values):
        raise InputError(f"{where}: no target was measured in training")
    if np.all(values == values[0]):
        raise InputError(f"{where}: every target in training is {values[0]:g}: nothing to learn")
    return float(values.mean()), float(values.std())
