"""Parallel files: line k of every file belongs to row k."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.cells import parse_strings
from polytask.data.sources.columns import object_array
from polytask.data.sources.files import check_encoding, existing, read_lines
from polytask.data.sources.kinds import at_lines, expectation
from polytask.data.table import Table
from polytask.errors import InputError, unknown

__all__ = ["Parallel"]


@dataclass(frozen=True, kw_only=True)
class Parallel(Source):
    """Read a folder of files in which line k of every file belongs to row k.

    Args:
        files: column name -> file in the folder.
        split_words: the columns whose lines are lists of words with spaces between them; in each
            row they have equally many. Default: none.
        encoding: of the text. Default ``utf-8``.

    Raises:
        InputError: an option is wrong; on reading: the files have different numbers of lines, or
            the columns of `split_words` different numbers of words in a line.

    Example:
        >>> files = {"words": "seq.in", "slots": "seq.out", "intent": "label"}
        >>> Parallel(files=files, split_words=("words", "slots")).encoding
        'utf-8'
    """

    files: Mapping[str, str]
    split_words: tuple[str, ...] = ()
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        if not self.files:
            raise InputError("files: expected column: file, got nothing")
        for name in self.split_words:
            if name not in self.files:
                raise unknown("column", name, self.files, where="split_words")

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one folder; see `Source.read`."""
        folder = existing(path, folder=True)
        paths = {name: existing(folder / file) for name, file in self.files.items()}
        lines = {name: read_lines(p, encoding=self.encoding) for name, p in paths.items()}
        _check_counts(paths, lines)
        columns = {name: self._column(name, lines[name], paths[name], like) for name in paths}
        self._check_words(paths, columns)
        return checked_table(columns, str(folder))

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Only the needed files are read; see `Source.for_inputs`."""
        files = {name: file for name, file in self.files.items() if name in columns}
        words = tuple(name for name in self.split_words if name in files)
        return replace(self, files=files, split_words=words)

    def _column(self, name: str, lines: list[str], path: Path, like: Table | None) -> np.ndarray:
        if name in self.split_words:
            return object_array(line.split(" ") if line else [] for line in map(_one_space, lines))
        cells = [line.strip() or None for line in lines]
        place = at_lines(str(path), range(1, len(lines) + 1))
        return parse_strings(cells, name, expect=expectation(like, name), place=place)

    def _check_words(self, paths: Mapping[str, Path], columns: Mapping[str, np.ndarray]) -> None:
        for other in self.split_words[1:]:
            first = self.split_words[0]
            for row, (a, b) in enumerate(zip(columns[first], columns[other], strict=True)):
                if len(a) != len(b):
                    wanted = f"expected {len(a)} words (as in {paths[first]})"
                    place = f"{paths[other]}, line {row + 1}, column {other!r}"
                    raise InputError(f"{place}: {wanted}, got {len(b)}")


def _one_space(line: str) -> str:
    return " ".join(part for part in line.replace("\t", " ").split(" ") if part)


def _check_counts(paths: Mapping[str, Path], lines: Mapping[str, list[str]]) -> None:
    counts = {name: len(found) for name, found in lines.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{paths[name]}: {count}" for name, count in counts.items())
        raise InputError(f"the files must have equally many lines, but have: {shown}")
