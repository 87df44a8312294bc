"""A label and a text on each line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.cells import parse_strings
from polytask.data.sources.columns import object_array
from polytask.data.sources.files import check_encoding, existing, read_lines
from polytask.data.sources.kinds import at_lines, expectation
from polytask.data.sources.options import check_character
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["LabelledText"]


@dataclass(frozen=True, kw_only=True)
class LabelledText(Source):
    """Read one ``label text`` per line: columns ``label`` and ``text``.

    Spaces around the text are taken away; empty lines are skipped.

    Args:
        delimiter: one character after the label. Default: a space.
        encoding: of the text. Default ``utf-8``.

    Raises:
        InputError: an option is wrong; on reading: a line without a label or the delimiter.

    Example:
        >>> LabelledText(encoding="latin-1").encoding
        'latin-1'
    """

    delimiter: str = " "
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_character("delimiter", self.delimiter)
        check_encoding(self.encoding)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        lines = read_lines(path, encoding=self.encoding)
        numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
        pairs = [self._pair(lines[number - 1], f"{path}, line {number}") for number in numbers]
        label = parse_strings(
            [label for label, _ in pairs],
            "label",
            expect=expectation(like, "label"),
            place=at_lines(str(path), numbers),
        )
        columns = {"label": label, "text": object_array(text for _, text in pairs)}
        return checked_table(columns, str(path), np.array(numbers, dtype=np.int64))

    def _pair(self, line: str, place: str) -> tuple[str, str]:
        label, delimiter, text = line.partition(self.delimiter)
        if not (label and delimiter):
            wanted = f"expected a label, {self.delimiter!r} and a text"
            raise InputError(f"{place}: {wanted}, got {line[:60]!r}")
        return label, text.strip()
