"""Tables of text with a delimiter."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.cells import parse_cells
from polytask.data.sources.delimited import (
    Delimited,
    explain,
    first_row,
    line_numbers,
    split_header,
)
from polytask.data.sources.files import check_encoding, existing, read_text
from polytask.data.sources.kinds import Expect, at_lines, expectation
from polytask.data.sources.options import check_character, check_names, names_there
from polytask.data.table import Table
from polytask.errors import InputError, unknown

__all__ = ["CSV"]

BLOCK = 2**26
"""Bytes that pyarrow reads at a time; a row must be shorter than this."""


@dataclass(frozen=True, kw_only=True)
class CSV(Source):
    """Read rows of cells with a delimiter between them, also gzipped.

    A column is a column of numbers if all its cells are written as numbers, else of text. A column
    without a name in the header is called ``column1`` if it is the first. Empty lines are skipped.

    Args:
        delimiter: one character between two cells. Default ``,``.
        header: whether the first line names the columns. Default: yes, unless `names` is given.
        names: the columns, for a file without header (or, with ``header: true``, other names).
        encoding: of the text. Default ``utf-8``.
        quote: one character around a cell that holds a delimiter or line ends. Default ``"``.
        quoting: False if quotes mean nothing in this file. Default True.
        missing: the cells that mean that there is no value. Default: the empty
            cell, ``NaN``, ``nan``, ``null`` and ``NULL``; ``NA`` and ``?`` may be words.
        text: the columns that are text even if all cells look like numbers (``007``). Default none.
        trim: take away the spaces around every text. Default False.

    Raises:
        InputError: an option is wrong; on reading: the file is empty, rows differ in length, a
            column occurs twice, bytes cannot be decoded, quotes do not pair, a cell does not fit.

    Example:
        >>> CSV(delimiter=";", missing=("", "NA")).missing
        ('', 'NA')

    See Also:
        polytask.data.sources.tsv.TSV: the same with tabs.
    """

    delimiter: str = ","
    header: bool | None = None
    names: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    quote: str = '"'
    quoting: bool = True
    missing: tuple[str, ...] = ("", "NaN", "nan", "null", "NULL")
    text: tuple[str, ...] = ()
    trim: bool = False

    def __post_init__(self) -> None:
        check_character("delimiter", self.delimiter)
        check_character("quote", self.quote)
        check_encoding(self.encoding)
        if self.delimiter == self.quote or not (self.delimiter + self.quote).isascii():
            raise InputError("delimiter and quote must differ and be ASCII characters")
        if self.names is not None or self.header is False:
            check_names("names", self.names or ())

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        body = self._body(read_text(path, encoding=self.encoding), str(path))
        data = body.text.encode()
        cells = _parse(body, data)
        lines = line_numbers(body, data, len(cells))
        columns = {name: self._column(cells[name], name, body, lines, like) for name in body.names}
        return checked_table(columns, body.origin, lines)

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """A file with `names` may hold the needed columns alone; see `Source.for_inputs`."""
        text = tuple(name for name in self.text if name in columns)
        if self.names is None:
            return replace(self, text=text)
        path = existing(path)
        row = first_row(self._whole(read_text(path, encoding=self.encoding), str(path)))
        return replace(self, text=text, names=names_there(self.names, columns, len(row)))

    def _whole(self, text: str, origin: str) -> Delimited:
        return Delimited(text, origin, self.delimiter, self.quote if self.quoting else None)

    def _body(self, text: str, origin: str) -> Delimited:
        header = self.names is None if self.header is None else self.header
        body = split_header(self._whole(text, origin), self.names, header=header, trim=self.trim)
        for name in self.text:
            if name not in body.names:
                raise unknown("column", name, body.names, where=f"{origin}: option text")
        return body

    def _column(
        self, cells: Any, name: str, body: Delimited, lines: np.ndarray, like: Table | None
    ) -> np.ndarray:
        wish = Expect("text", "option text") if name in self.text else expectation(like, name)
        return parse_cells(
            cells,
            name,
            expect=wish,
            place=at_lines(body.origin, lines),
            missing=self.missing,
            trim=self.trim,
        )


def _parse(body: Delimited, data: bytes) -> Any:
    """The cells as a pyarrow table of strings."""
    import pyarrow as pa
    from pyarrow import csv

    quote = body.quote or False
    names = list(body.names)
    reading = csv.ReadOptions(column_names=names, block_size=BLOCK)
    parsing = csv.ParseOptions(
        delimiter=body.delimiter, quote_char=quote, newlines_in_values=bool(quote)
    )
    strings = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    try:
        return csv.read_csv(io.BytesIO(data), reading, parsing, strings)
    except pa.ArrowInvalid as error:
        raise explain(body, error) from error
