"""Numbers and categories from the columns of a table.

Shapes: N rows, D numbers of a row, C categorical columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["as_column", "categories", "category_numbers", "number_column", "object_column"]


def as_column(values: Sequence[Any]) -> np.ndarray:
    """Python values as a column of a table."""
    if all(isinstance(value, int | float | np.number) for value in values):
        return np.asarray(values)
    shapes = {value.shape if isinstance(value, np.ndarray) else None for value in values}
    return np.stack(values) if len(shapes) == 1 and None not in shapes else object_column(values)


def object_column(values: Sequence[Any]) -> np.ndarray:
    """Any values as an ``object`` array, never merged into one of more axes."""
    column = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        column[row] = value
    return column


def number_column(table: Table, name: str) -> np.ndarray:
    """``[N, D]`` float64 of one column; missing numbers are NaN.

    Raises:
        InputError: a value is no number, or a vector has another length than the others.
    """
    values = table.column(name)
    if values.dtype != object:
        return values.reshape(len(values), -1).astype(np.float64)
    rows = [_numbers(value, table, name, row) for row, value in enumerate(values)]
    width = max((len(row) for row in rows), default=0)
    for index, row in enumerate(rows):
        if len(row) != width and not np.isnan(row).all():
            raise InputError(
                f"{table.place(index)}: column {name!r} has {len(row)} numbers, elsewhere {width}"
            )
    return np.stack([row if len(row) == width else np.full(width, np.nan) for row in rows])


def _numbers(value: Any, table: Table, name: str, row: int) -> np.ndarray:
    try:
        if isinstance(value, str):
            raise TypeError
        return np.atleast_1d(np.asarray(np.nan if value is None else value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        place = f"{table.place(row)}: column {name!r}"
        raise InputError(f"{place} must be a number, got {value!r}") from error


def categories(values: np.ndarray) -> list[str]:
    """The sorted distinct categories of a column."""
    return sorted({_category(value) for value in values})


def category_numbers(values: np.ndarray, known: Sequence[str]) -> np.ndarray:
    """``[N]`` int64, from 1 on; 0 is a category that training does not have."""
    number = {category: position + 1 for position, category in enumerate(known)}
    return np.array([number.get(_category(value), 0) for value in values], dtype=np.int64)


def _category(value: Any) -> str:
    """A category as text: missing is empty, and a whole number is the same as int and as float."""
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value)
