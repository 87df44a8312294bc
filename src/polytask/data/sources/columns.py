"""From Python values and arrays to the columns of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from polytask.data.sources.kinds import (
    Expect,
    Kind,
    Place,
    at_rows,
    cell_place,
    expectation,
    is_empty,
    is_missing,
    kind_of,
    kind_of_value,
    misfit,
    shown,
)
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["fit", "from_array", "from_values", "object_array"]


def object_array(values: Iterable[Any]) -> np.ndarray:
    """An array of Python objects, also where they are lists of equal length."""
    items = list(values)
    column = np.empty(len(items), dtype=object)
    for row, value in enumerate(items):
        column[row] = value
    return column


def from_values(
    values: Sequence[Any], name: str, *, expect: Expect | None, place: Place
) -> np.ndarray:
    """A column of Python values: numbers, strings, lists of either, arrays, or None.

    Raises:
        InputError: a cell is of another kind than expected, or than the cells before it.
    """
    kinds = [kind_of_value(value) for value in values]
    expect = expect or _first_kind(values, kinds, place)
    for row, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        if kind == expect.kind or is_missing(value):
            continue
        if kind is None and not is_empty(value):
            wanted = "a number, text, or a list of words or of numbers"
            raise InputError(
                f"{cell_place(place, row, name)}: expected {wanted}, got {shown(value)}"
            )
        if kind is not None or not expect.kind.startswith("list"):
            raise misfit(value, row, name, expect=expect, place=place)
    return _build(values, name, expect, place)


def from_array(array: np.ndarray, name: str, *, origin: str) -> np.ndarray:
    """The column that a NumPy array becomes: ``int64``, ``float64``, text, or an array of rows.

    Raises:
        InputError: the array has no rows (a scalar), or holds something else (dates, bytes).
    """
    if array.ndim == 0 or array.dtype.kind not in "biufUO":
        raise InputError(f"{origin}, column {name!r}: cannot use an array of {array.dtype}")
    if array.dtype.kind in "UO":
        return from_values(array.tolist(), name, expect=None, place=at_rows(origin))
    if array.ndim > 1:
        return array.astype(np.uint8) if array.dtype == bool else array
    return _integers(array, name, origin) if array.dtype.kind in "biu" else array.astype(float)


def fit(column: np.ndarray, name: str, *, like: Table | None, place: Place) -> np.ndarray:
    """The column, if it holds what the same column of the training file holds.

    Raises:
        InputError: it holds something else, or rows of another shape.
    """
    expect = expectation(like, name)
    if like is None or expect is None:
        return column
    kind = kind_of(column)
    if kind is None:
        return _all_missing(len(column), expect.kind)
    if kind != expect.kind:
        row = next(row for row, value in enumerate(column) if kind_of_value(value))
        raise misfit(column[row], row, name, expect=expect, place=place)
    known = like.columns[name]
    if column.shape[1:] != known.shape[1:]:
        shapes = f"expected rows of shape {known.shape[1:]} {expect.because}"
        raise InputError(f"{cell_place(place, 0, name)}: {shapes}, got {column.shape[1:]}")
    return column.astype(known.dtype) if known.dtype.kind == "f" else column


def _first_kind(values: Sequence[Any], kinds: Sequence[Kind | None], place: Place) -> Expect:
    for row, kind in enumerate(kinds):
        if kind is not None:
            return Expect(kind, f"as in {place(row)}")
    return Expect("list of words" if any(map(is_empty, values)) else "number", "as before")


def _build(values: Sequence[Any], name: str, expect: Expect, place: Place) -> np.ndarray:
    if expect.kind != "number":
        return object_array(None if is_missing(value) else value for value in values)
    if expect.as_float or any(v is None or isinstance(v, float | np.floating) for v in values):
        return np.array([np.nan if v is None else float(v) for v in values])
    for row, value in enumerate(values):
        if not -(2**63) <= value < 2**63:
            raise InputError(f"{cell_place(place, row, name)}: {value} does not fit in 64 bits")
    return np.array([int(value) for value in values], dtype=np.int64)


def _integers(array: np.ndarray, name: str, origin: str) -> np.ndarray:
    if array.dtype == np.uint64 and len(array) and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{origin}, column {name!r}: {array.max()} does not fit in 64 bits")
    return array.astype(np.int64)


def _all_missing(rows: int, kind: Kind) -> np.ndarray:
    return np.full(rows, np.nan) if kind == "number" else object_array([None] * rows)
