"""How a file of rows and cells is written: delimiter, header, quotes, marks of missing cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Layout", "find_layout"]

DELIMITERS = (",", "\t", ";", "|")
LINES = 2000
"""Lines that are looked at."""

ALWAYS = {"?", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL"}
"""Cells that mean missing in any column."""

AMONG_NUMBERS = {*ALWAYS, "-", "None"}
"""Cells that mean missing if all others of the column are numbers."""


@dataclass(frozen=True)
class Layout:
    """How a file is written.

    Args:
        options: of the source, only those that differ from its defaults.
        comments: what was found.
    """

    options: dict[str, Any]
    comments: list[str]


def find_layout(text: str, *, delimiter: str | None = None) -> Layout | None:
    """How the text is written; None if it is no table of at least two columns and two rows.

    Args:
        text: of the whole file.
        delimiter: what is known from the file's name.
    """
    whole = text.removesuffix("\n").split("\n")
    head = "\n".join(whole[:LINES])
    cut = len(whole) > LINES
    usable: dict[str, tuple[list[list[str]], bool]] = {}
    for candidate in [delimiter] if delimiter else DELIMITERS:
        for quoting in (True, False):
            rows = _rows(head, candidate, quoting=quoting, cut=cut)
            if candidate not in usable and len(rows) > 1 and len(rows[0]) > 1:
                usable[candidate] = rows, quoting
    if not usable:
        return None
    chosen = max(usable, key=lambda name: len(usable[name][0][0]))
    rows, quoting = usable[chosen]
    return _layout(chosen, rows, quoting=quoting and text.count('"') % 2 == 0)


def _rows(head: str, delimiter: str, *, quoting: bool, cut: bool) -> list[list[str]]:
    """The rows, if all have equally many cells; else none."""
    mode: Literal[0, 3] = csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head), delimiter=delimiter, quoting=mode, strict=True):
            rows += [row] if row else []
    except csv.Error:
        if not (cut and rows):  # a cell of several lines at the end of what is looked at
            return []
    return rows if len({len(row) for row in rows}) == 1 else []


def _layout(delimiter: str, rows: list[list[str]], *, quoting: bool) -> Layout:
    options: dict[str, Any] = {"type": "tsv" if delimiter == "\t" else "csv"}
    comments: list[str] = []
    if delimiter not in ",\t":
        options["delimiter"] = delimiter
    if not quoting:
        options["quoting"] = False
    header = _has_header(rows)
    if not header:
        options["names"] = [f"c{position}" for position in range(1, len(rows[0]) + 1)]
        comments.append("The file seems to have no header: put the names of its columns here.")
    body = rows[1:] if header else rows
    if any(len(cell) > 1 and cell != cell.strip() for row in rows[:100] for cell in row):
        options["trim"] = True
    marks = _marks(body)
    if marks:
        options["missing"] = ["", *marks]
        comments.append(f"Cells that are {' or '.join(marks)} are taken as missing.")
    return Layout(options, comments)


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """No name is a number, none comes again below, and none is as long as a sentence."""
    first, columns = rows[0], list(zip(*rows[1:], strict=True))
    if any(_is_number(cell) for cell in first) or len(set(first)) < len(first):
        return False
    numeric = any(all(_is_number(c) or not c.strip() for c in column) for column in columns)
    again = any(cell in column for cell, column in zip(first, columns, strict=True))
    return numeric or not (again or any(len(cell.split()) > 5 for cell in first))


def _marks(rows: Sequence[Sequence[str]]) -> list[str]:
    found: set[str] = set()
    for column in zip(*rows, strict=True):
        cells = {cell.strip() for cell in column} - {""}
        rest = cells - AMONG_NUMBERS
        numeric = bool(rest) and all(map(_is_number, rest))
        found |= cells & (AMONG_NUMBERS if numeric else ALWAYS)
    return sorted(found)


def _is_number(cell: str) -> bool:
    try:
        return float(cell) == float(cell)  # not "nan"
    except ValueError:
        return False
