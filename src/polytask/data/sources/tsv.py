"""Tables of text with tabs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from polytask.data.sources.base import Source
from polytask.data.sources.csv import CSV
from polytask.data.table import Table

__all__ = ["TSV"]


@dataclass(frozen=True, kw_only=True)
class TSV(Source):
    """Read rows of cells with tabs between them, also gzipped.

    Args:
        header: whether the first line names the columns. Default: yes, unless `names` is given.
        names: the columns, for a file without header (or, with ``header: true``, other names).
        encoding: of the text. Default ``utf-8``.
        quote: one character around a cell that holds a tab or line ends. Default ``"``.
        quoting: False if quotes mean nothing in this file, as in most corpora. Default True.
        missing: the cells that mean that there is no value. Default: the empty
            cell, ``NaN``, ``nan``, ``null`` and ``NULL``; ``NA`` and ``?`` may be words.
        text: the columns that are text even if all cells look like numbers (``007``). Default none.
        trim: take away the spaces around every text. Default False.

    Raises:
        InputError: as `polytask.data.sources.csv.CSV`.

    Example:
        >>> TSV(names=("source", "label", "mark", "sentence"), quoting=False).quoting
        False
    """

    header: bool | None = None
    names: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    quote: str = '"'
    quoting: bool = True
    missing: tuple[str, ...] = ("", "NaN", "nan", "null", "NULL")
    text: tuple[str, ...] = ()
    trim: bool = False

    def __post_init__(self) -> None:
        self._csv()

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        return self._csv().read(path, like=like)

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """As `polytask.data.sources.csv.CSV`; see `Source.for_inputs`."""
        return self._csv().for_inputs(path, columns)

    def _csv(self) -> CSV:
        return CSV(delimiter="\t", **asdict(self))
