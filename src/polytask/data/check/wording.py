"""Numbers and values in the messages of checks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data.table import Table

__all__ = ["counted", "listed", "number", "percent", "place", "quoted"]

LONGEST = 60
"""Characters of a value in a message."""


def percent(count: float, total: float) -> str:
    """A share in percent; small shares keep a digit that is not zero."""
    share = 100 * count / total if total else 0.0
    if 0 < share < 0.1:
        return "under 0.1 %"
    return f"{share:.1f} %"


def counted(count: int, noun: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "label"), counted(1200, "label")
        ('1 label', '1,200 labels')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """A number with at most four significant digits."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"


def quoted(value: Any) -> str:
    """A cell for a message, on one line and not too long."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    plain = value.item() if isinstance(value, np.generic) else value
    text = repr(int(plain) if isinstance(plain, float) and plain.is_integer() else plain)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def place(table: Table, row: int) -> str:
    """Where a row stands, with the file's name but not its folders."""
    file = table.origin if table.files is None else table.files[row]
    return f"{Path(file).name}, line {int(table.lines[row])}"


def listed(items: Iterable[Any], *, most: int = 5) -> str:
    """The first items, and dots for the others."""
    found = [str(item) for item in items]
    more = ", ..." if len(found) > most else ""
    return ", ".join(found[:most]) + more
