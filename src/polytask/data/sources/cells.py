"""From the cells of a text file to the columns of a table: which are missing, which are numbers.

A column is ``int64`` if every cell is written as an integer (``1``, not ``1.0``), ``float64`` if
every cell is a number or missing, and text otherwise. Whole numbers too long for these types are
text, because they are identifiers, and rounding would merge them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from polytask.data.sources.kinds import Expect, Place, misfit

__all__ = ["parse_cells", "parse_strings"]

MARKS = ("?", "-", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None")
"""What people write into a cell that has no value; named in a warning, never assumed."""

EXACT = 2**53
"""Above this, float64 cannot tell neighbouring integers apart."""

BLOCK = 4096
"""Cells that are made numbers at a time."""


def parse_strings(
    cells: Iterable[str | None], name: str, *, expect: Expect | None, place: Place
) -> np.ndarray:
    """A column of Python strings, in which only None is missing; see `parse_cells`."""
    import pyarrow as pa

    array = pa.chunked_array([pa.array(list(cells), pa.string())])
    return parse_cells(array, name, expect=expect, place=place, missing=())


def parse_cells(
    cells: Any,
    name: str,
    *,
    expect: Expect | None,
    place: Place,
    missing: Sequence[str] = ("",),
    trim: bool = False,
) -> np.ndarray:
    """A column of numbers if all cells that are not missing are numbers (or must be), else of text.

    Args:
        cells: a pyarrow chunked array of strings.
        name: the column, for messages.
        expect: what the cells must be, if it is known.
        place: row -> where it stands.
        missing: the cells that mean that there is no value; spaces around them do not matter.
        trim: take away the spaces around a text.

    Raises:
        InputError: a number was expected and a cell is something else; names line and column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.ascii_trim_whitespace(cells)
    absent = pc.is_in(trimmed, value_set=pa.array(missing, pa.string()))
    values = pc.if_else(absent, None, trimmed)
    if expect is None or expect.kind == "number":
        numbers = _numbers(values, exact=expect is None)
        if numbers is not None:
            return numbers.astype(float) if expect and expect.as_float else numbers
        if expect is not None:
            row = _first_bad(values)
            raise misfit(cells[row].as_py(), row, name, expect=expect, place=place)
        _warn_of_marks(values, name, place)
    column: np.ndarray = (values if trim else pc.if_else(absent, None, cells)).to_numpy()
    return column


def _numbers(values: Any, *, exact: bool) -> np.ndarray | None:
    import pyarrow as pa

    integers = _cast(values, pa.int64())
    if integers is not None and _hexadecimal(values):
        return None
    if integers is not None and not integers.null_count:
        return np.asarray(integers.to_numpy(), dtype=np.int64)
    numbers = _cast(values, pa.float64()) if integers is None else integers
    if numbers is None or (exact and _altered(values, integers)):
        return None
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def _cast(values: Any, kind: Any) -> Any:
    """The cells as numbers; None if some cell is none.

    Block by block, because pyarrow goes through all cells and makes an error for each that fails:
    of a column of text only the first block is tried.
    """
    import pyarrow as pa

    blocks: list[Any] = []
    for start in range(0, len(values), BLOCK):
        try:
            blocks += values.slice(start, BLOCK).cast(kind).chunks
        except pa.ArrowInvalid:
            return None
    return pa.chunked_array(blocks, kind)


def _hexadecimal(values: Any) -> bool:
    """Arrow reads ``0x1F`` as an integer; in a table of data it is an identifier."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(values, "[xX]")).as_py())


def _altered(values: Any, integers: Any) -> bool:
    """Whether these are whole numbers (so, identifiers) that float64 would round."""
    import pyarrow.compute as pc

    if integers is not None:
        ends = pc.min_max(integers).as_py()
        return ends["min"] is not None and max(-ends["min"], ends["max"]) > EXACT
    whole = pc.all(pc.match_substring_regex(values, r"^[+-]?\d+$")).as_py()
    return bool(whole and pc.any(pc.match_substring_regex(values, r"\d{19}")).as_py())


def _first_bad(values: Any) -> int:
    """The first cell that is not a number, by halving."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if _numbers(values[low:middle], exact=False) is None:
            high = middle
        else:
            low = middle
    return low


def _warn_of_marks(values: Any, name: str, place: Place) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    marked = pc.is_in(values, value_set=pa.array(MARKS))
    rest = pc.if_else(marked, None, values)
    if rest.null_count == len(rest) or _numbers(rest, exact=True) is None:
        return
    row = pc.index(marked, True).as_py()
    mark = values[row].as_py()
    warnings.warn(
        f"{place(row)}, column {name!r}: text only because of {mark!r}; "
        f"if that means missing, add it to the option 'missing'",
        stacklevel=2,
    )
