"""What the cells of a column are, what they must be, and the error for one that is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from polytask.data.table import Table
from polytask.errors import InputError

__all__ = [
    "Expect",
    "Kind",
    "Place",
    "at_lines",
    "at_names",
    "at_rows",
    "cell_place",
    "expectation",
    "is_empty",
    "is_missing",
    "kind_of",
    "kind_of_value",
    "misfit",
    "shown",
]

Kind = Literal["number", "text", "list of words", "list of numbers", "array"]
Place = Callable[[int], str]
"""Row position -> where it stands, for example ``train.csv, line 12``."""

LONGEST = 60
"""Characters of a value in a message."""


@dataclass(frozen=True)
class Expect:
    """What the cells of a column must be.

    Args:
        kind: of each cell that is not missing.
        because: why, for messages.
        as_float: whether numbers become ``float64`` even if all are integers.
    """

    kind: Kind
    because: str
    as_float: bool = False


def expectation(like: Table | None, name: str) -> Expect | None:
    """What a column must hold because the training file does; None if that says nothing."""
    if like is None or name not in like.columns:
        return None
    column = like.columns[name]
    kind = kind_of(column)
    return kind and Expect(kind, f"as in {like.origin}", column.dtype.kind == "f")


def kind_of(column: np.ndarray) -> Kind | None:
    """What a column holds; None if every cell is missing."""
    if column.ndim > 1:
        return "array"
    if column.dtype == object:
        return next((kind for kind in map(kind_of_value, column) if kind), None)
    return None if column.dtype.kind == "f" and np.isnan(column).all() else "number"


def at_rows(origin: str) -> Place:
    """The place of a row in a file that has no lines."""
    return lambda row: f"{origin}, row {row + 1}"


def at_lines(origin: str, lines: Sequence[int] | np.ndarray) -> Place:
    """The place of a row in a text file, from the line at which each row starts."""
    return lambda row: f"{origin}, line {lines[row]}"


def at_names(origin: str, names: Sequence[str]) -> Place:
    """The place of a row in an archive or folder with a file per row."""
    return lambda row: f"{origin}: {names[row]}"


def cell_place(place: Place, row: int, name: str) -> str:
    """Where a cell stands."""
    return f"{place(row)}, column {name!r}"


def shown(value: Any) -> str:
    """A value for a message, not too long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def misfit(value: Any, row: int, name: str, *, expect: Expect, place: Place) -> InputError:
    """The error for a cell that is of the wrong kind."""
    article = {"text": "", "array": "an "}.get(expect.kind, "a ")
    wanted = f"expected {article}{expect.kind} ({expect.because})"
    return InputError(f"{cell_place(place, row, name)}: {wanted}, got {shown(value)}")


def kind_of_value(value: Any) -> Kind | None:
    """What a cell holds; None if it is missing, an empty list, or nothing that a table can hold."""
    if isinstance(value, str):
        return "text"
    if _is_number(value):
        return None if value != value else "number"  # NaN is a missing cell
    if isinstance(value, np.ndarray):
        return "array"
    if isinstance(value, list | tuple) and value:
        if all(isinstance(item, str) for item in value):
            return "list of words"
        return "list of numbers" if all(_is_number(item) for item in value) else None
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.number | np.bool_)


def is_missing(value: Any) -> bool:
    """Whether a cell is None or NaN."""
    return value is None or (_is_number(value) and value != value)


def is_empty(value: Any) -> bool:
    """Whether a cell is a list without items."""
    return isinstance(value, list | tuple) and not value
