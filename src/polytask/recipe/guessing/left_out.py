"""Columns that are neither input nor target, and why."""

from __future__ import annotations

import re

from polytask.recipe.guessing.column import Column

__all__ = ["why_left_out"]

IDENTIFIER = re.compile(
    r"(^|[\W_])(id|idx|index|uuid|guid|file|filename|path|url|row)([\W_]|$)"
    r"|^(unnamed|column1$)|Id$|ID$"
)
UNIQUE = 0.95
"""Different values per row from which a column of words or whole numbers is an identifier."""


MANY, FEW = 200, 30
"""Rows from which a column with fewer values than this is not worth a task."""


def why_left_out(column: Column) -> str | None:
    """The reason; None if the column may be of use.

    Example:
        >>> import numpy as np
        >>> why_left_out(Column("mol_id", np.array(["a1", "a2", "a1"], dtype=object)))
        'named like an identifier'
    """
    if column.values.ndim > 1 or column.kind not in ("number", "text", None):
        return None
    if column.is_constant:
        return "the same everywhere" if column.measured else "always empty"
    if column.is_date:
        return "a date: turn it into numbers first"
    if column.is_molecule or column.is_text:
        return None
    named = IDENTIFIER.search(column.name) or IDENTIFIER.search(column.name.lower())
    unique = column.distinct > UNIQUE * column.measured and column.measured > 2
    if named and (unique or column.kind == "text" or column.is_whole):
        return "named like an identifier"
    if unique and (column.kind == "text" or _counts_rows(column)):
        return "different in every row, like an identifier"
    if len(column.values) >= MANY and column.measured < FEW:
        return "hardly any value"
    return _too_many(column)


def _counts_rows(column: Column) -> bool:
    """Whether a column of whole numbers numbers the rows."""
    if not column.is_whole or len(column.values) < 10:
        return False
    return max(map(int, column.counts)) - min(map(int, column.counts)) == len(column.values) - 1


def _too_many(column: Column) -> str | None:
    if column.kind == "text" and column.distinct > max(20, column.measured / 4):
        return f"{column.distinct:,} different values"
    return None
