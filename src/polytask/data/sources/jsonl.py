"""JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import from_values
from polytask.data.sources.files import check_encoding, existing, read_lines
from polytask.data.sources.kinds import at_lines, expectation
from polytask.data.sources.options import check_names, choose
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["JSONL"]


@dataclass(frozen=True, kw_only=True)
class JSONL(Source):
    """Read one JSON object per line, also gzipped.

    A value is a number, true or false (1 and 0), text, a list of words or of numbers, or null
    (missing). A key that a line lacks is missing there. Empty lines are skipped.

    Args:
        columns: the keys to read. Default: all.
        encoding: of the text. Default ``utf-8``.

    Raises:
        InputError: unknown encoding; on reading: a line is not a JSON object, no line has a key of
            `columns`, or the values of a key are of different kinds, or nested.

    Example:
        >>> JSONL().encoding
        'utf-8'
    """

    columns: tuple[str, ...] | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        if self.columns is not None:
            check_names("columns", self.columns)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        text = read_lines(path, encoding=self.encoding)
        lines = [number for number, line in enumerate(text, 1) if line.strip()]
        objects = list(_objects(text, lines, path))
        place = at_lines(str(path), lines)
        columns = {
            name: from_values(
                [item.get(name) for item in objects],
                name,
                expect=expectation(like, name),
                place=place,
            )
            for name in self._names(objects, path)
        }
        return checked_table(columns, str(path), np.array(lines, dtype=np.int64))

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Only the needed keys are read; see `Source.for_inputs`."""
        return replace(self, columns=tuple(columns))

    def _names(self, objects: Sequence[Mapping[str, Any]], path: Path) -> list[str]:
        return choose(list(dict.fromkeys(k for o in objects for k in o)), self.columns, str(path))


def _objects(text: list[str], lines: list[int], path: Path) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            value = json.loads(text[line - 1])
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {line}: not JSON: {error}") from error
        if not isinstance(value, dict):
            found = type(value).__name__
            raise InputError(f"{path}, line {line}: expected a JSON object {{...}}, got a {found}")
        yield value
