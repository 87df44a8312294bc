"""Sentences with one word and its labels per line."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import object_array
from polytask.data.sources.files import check_encoding, existing, read_lines
from polytask.data.sources.options import check_character, check_names, names_there
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["CoNLL", "sentences"]

IGNORED = "_"
"""The name of a column that is not read."""


@dataclass(frozen=True, kw_only=True)
class CoNLL(Source):
    """Read sentences with one word and its labels per line, and an empty line after each sentence.

    One row per sentence; every column holds a list of words per row.

    Args:
        names: the columns; a column called ``_`` is not read. Default ``(words, tags)``.
        delimiter: one character between columns. Default: any number of spaces or tabs.
        comment: lines that start so are skipped, for example ``-DOCSTART-``. Default: none are.
        encoding: of the text. Default ``utf-8``.

    Raises:
        InputError: an option is wrong; on reading: a line has another number of columns.

    Example:
        >>> CoNLL(names=("words", "_", "_", "tags"), comment="-DOCSTART-").comment
        '-DOCSTART-'

    See Also:
        polytask.data.sources.conllu.CoNLLU: treebanks of Universal Dependencies.
    """

    names: tuple[str, ...] = ("words", "tags")
    delimiter: str | None = None
    comment: str | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_names("names", self.names, ignored=IGNORED)
        check_encoding(self.encoding)
        if self.delimiter is not None:
            check_character("delimiter", self.delimiter)
        if self.comment == "" or set(self.names) == {IGNORED}:
            raise InputError("comment must not be empty, and some column must be read")

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        found = sentences(read_lines(path, encoding=self.encoding), self.comment)
        rows = [[self._cells(n, line, path) for n, line in sentence] for sentence in found]
        columns = {
            name: object_array([word[i] for word in row] for row in rows)
            for i, name in enumerate(self.names)
            if name != IGNORED
        }
        starts = np.array([sentence[0][0] for sentence in found], dtype=np.int64)
        return checked_table(columns, str(path), starts)

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """A file may hold the needed columns alone; see `Source.for_inputs`."""
        found = sentences(read_lines(existing(path), encoding=self.encoding), self.comment)
        width = len(self._split(found[0][0][1])) if found else 0
        return replace(self, names=names_there(self.names, columns, width))

    def _split(self, line: str) -> list[str]:
        if self.delimiter is None:
            return re.split("[ \t]+", line.strip(" \t"))
        return line.split(self.delimiter)

    def _cells(self, number: int, line: str, path: Path) -> list[str]:
        cells = self._split(line)
        if len(cells) != len(self.names):
            wanted = f"expected {len(self.names)} columns ({', '.join(self.names)})"
            raise InputError(f"{path}, line {number}: {wanted}, got {len(cells)}: {line[:60]!r}")
        return cells


def sentences(lines: list[str], comment: str | None = None) -> list[list[tuple[int, str]]]:
    """The sentences, each a list of line numbers (from 1) and lines; without comments."""
    found: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t"):
            found.append([])
        elif comment is None or not line.startswith(comment):
            found[-1].append((number, line))
    return [sentence for sentence in found if sentence]
