"""The parts of a delimited file that need care: header, line numbers, and what is wrong with it.

pyarrow reads such a file fast but cannot say where it failed; the standard library reads the same
rows slowly, with their lines. So the second one is asked only for the header and after a failure.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from polytask.errors import InputError

__all__ = ["Delimited", "explain", "first_row", "line_numbers", "split_header"]

LONGEST_CELL = 2**31 - 1
"""The standard library stops at 128 KiB by default; a document may be longer."""


@dataclass(frozen=True)
class Delimited:
    """Rows of text and how they are written.

    Args:
        text: the rows.
        origin: the file.
        delimiter: what separates the cells.
        quote: what surrounds a cell that holds a delimiter or a line end; None: nothing does.
        names: the columns, once they are known.
        first_line: the line of the file at which ``text`` starts.
    """

    text: str
    origin: str
    delimiter: str
    quote: str | None
    names: tuple[str, ...] = ()
    first_line: int = 1


def first_row(body: Delimited) -> list[str]:
    """The cells of the first row."""
    with closing(_walk(body)) as rows:
        return next(rows)[2]


def split_header(
    body: Delimited, names: tuple[str, ...] | None, *, header: bool, trim: bool = False
) -> Delimited:
    """Take away the header and give the columns their names.

    Raises:
        InputError: two columns of the header have one name, or there are no rows below it.
    """
    if not header:
        return replace(body, names=names or ())
    with closing(_walk(body)) as rows:
        line, after, cells = next(rows)
    rest = _from_line(body.text, after)
    if not rest.strip():
        raise InputError(f"{body.origin}: there are no rows below the header")
    if trim:
        cells = [cell.strip() for cell in cells]
    found = _checked_names(cells, f"{body.origin}, line {line}")
    return replace(body, text=rest, names=names or found, first_line=after)


def line_numbers(body: Delimited, data: bytes, rows: int) -> np.ndarray:
    """``[rows]`` the line of the file at which each row starts.

    Args:
        body: the rows.
        data: the same text in bytes.
        rows: how many rows pyarrow has found.

    Raises:
        InputError: a quote is opened and not closed.
    """
    lines = body.first_line + _filled_lines(data)
    unclosed = body.quote is not None and body.text.count(body.quote) % 2 == 1
    if len(lines) == rows and not unclosed:
        return lines
    starts = [line for line, _, _ in _walk(body)]  # some cell spans several lines
    if len(starts) != rows:
        raise InputError(f"{body.origin}: {_quote_hint(body)}")
    return np.array(starts, dtype=np.int64)


def explain(body: Delimited, cause: Exception) -> InputError:
    """What is wrong with a file that pyarrow refuses."""
    width = len(body.names)
    for line, _, row in _walk(body):
        if len(row) < width:
            lacking = f"there is nothing for column {body.names[len(row)]!r}"
            return InputError(f"{_ragged(body, line, row)}: {lacking}")
        if len(row) > width:
            return InputError(f"{_ragged(body, line, row)}, from {row[width]!r} on too many")
    return InputError(f"{body.origin}: {str(cause).splitlines()[0]}")


def _ragged(body: Delimited, line: int, row: list[str]) -> str:
    place = f"{body.origin}, line {line}"
    return f"{place}: expected {len(body.names)} cells (as in the header or names), got {len(row)}"


def _walk(body: Delimited) -> Generator[tuple[int, int, list[str]]]:
    """The line of each row, the line after it, and its cells; without empty lines."""
    reader = csv.reader(
        io.StringIO(body.text, newline=""),
        delimiter=body.delimiter,
        quotechar=body.quote,
        quoting=csv.QUOTE_NONE if body.quote is None else csv.QUOTE_MINIMAL,
        strict=True,
    )
    start, limit = body.first_line, csv.field_size_limit(LONGEST_CELL)
    try:
        for row in reader:
            after = body.first_line + reader.line_num
            if row:
                yield start, after, row
            start = after
    except csv.Error as error:
        raise InputError(f"{body.origin}, line {start}: {_quote_hint(body)}") from error
    finally:
        csv.field_size_limit(limit)


def _from_line(text: str, line: int) -> str:
    lines = io.StringIO(text, newline="")
    for _ in range(line - 1):
        next(lines)
    return text[lines.tell() :]


def _quote_hint(body: Delimited) -> str:
    return f"the quotes {body.quote} do not pair; if they mean nothing in this file: quoting: false"


def _checked_names(cells: list[str], place: str) -> tuple[str, ...]:
    names = [cell or f"column{position}" for position, cell in enumerate(cells, 1)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{place}, column {name!r}: expected one column of that name in the header"
            )
    return tuple(names)


def _filled_lines(data: bytes) -> np.ndarray:
    """Positions of the lines that are not empty, from 0."""
    letters = np.frombuffer(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), dtype=np.uint8)
    ends = np.append(np.flatnonzero(letters == ord("\n")), len(letters))
    return np.flatnonzero(np.diff(ends, prepend=-1) > 1)
