"""From Arrow tables (Parquet files, saved data sets) to the columns of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytask.data.sources.base import checked_table
from polytask.data.sources.columns import fit, from_values, object_array
from polytask.data.sources.kinds import at_rows
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["from_arrow"]


def from_arrow(table: Any, origin: str, *, like: Table | None) -> Table:
    """The table that a pyarrow table becomes.

    Raises:
        InputError: there are no rows, or a column is of a type that a table cannot hold.
    """
    place = at_rows(origin)
    columns = {}
    for name in table.column_names:
        column = _column(table.column(name), name, origin)
        columns[name] = fit(column, name, like=like, place=place)
    return checked_table(columns, origin)


def _column(cells: Any, name: str, origin: str) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.types as types

    kind = cells.type
    if types.is_dictionary(kind):
        return _column(cells.cast(kind.value_type), name, origin)
    if types.is_null(kind):
        return np.full(len(cells), np.nan)
    if types.is_boolean(kind) or types.is_integer(kind):
        return _integers(cells, name, origin)
    if types.is_floating(kind) or types.is_decimal(kind):
        return np.asarray(cells.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if _is_text(kind):
        return object_array(cells.cast(pa.string()).to_pylist())
    if types.is_fixed_size_list(kind) and _is_number(kind.value_type):
        return _vectors(cells, name, origin)
    if types.is_list(kind) or types.is_large_list(kind):
        place = at_rows(origin)
        return from_values(cells.to_pylist(), name, expect=None, place=place)
    raise InputError(
        f"{origin}, column {name!r}: cannot use the type {kind}; leave it out with 'columns'"
    )


def _is_number(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_integer(kind) or types.is_floating(kind))


def _is_text(kind: Any) -> bool:
    """Text, and dates and times, which become text."""
    import pyarrow.types as types

    strings = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return bool(strings or types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind))


def _integers(cells: Any, name: str, origin: str) -> np.ndarray:
    import pyarrow as pa

    try:
        integers = cells.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InputError(f"{origin}, column {name!r}: {error}") from error
    dtype = np.float64 if integers.null_count else np.int64
    return np.asarray(integers.to_numpy(), dtype=dtype)


def _vectors(cells: Any, name: str, origin: str) -> np.ndarray:
    values = cells.combine_chunks()
    flat = values.flatten()
    if values.null_count or flat.null_count:
        raise InputError(f"{origin}, column {name!r}: a vector or a number in a vector is missing")
    numbers = np.asarray(flat.to_numpy(zero_copy_only=False))
    return numbers.reshape(len(values), cells.type.list_size)
