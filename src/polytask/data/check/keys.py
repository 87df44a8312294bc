"""What makes two examples the same: keys of rows, exact or with texts folded.

Shapes: N rows, D numbers of a row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from polytask.data.table import Table

__all__ = ["fold", "folded_keys", "row_keys"]


class _Folding(dict[int, str]):
    r"""Punctuation, spaces and control characters become a space; found once per character.

    Not by ``\W``, which would take away the tone marks of many languages as well.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] in "PZC" else character
        return self[code]


_FOLDING = _Folding()


def fold(text: str) -> str:
    """A text without case and punctuation, words with one space between them.

    Example:
        >>> fold("Hello,  WORLD!")
        'hello world'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_FOLDING).split())


def row_keys(table: Table, columns: Sequence[str]) -> list[Hashable]:
    """``[N]`` a key per row; equal where all columns are equal, arrays byte by byte."""
    return _keys(table, columns, _exact)


def folded_keys(table: Table, columns: Sequence[str]) -> list[Hashable]:
    """``[N]`` as `row_keys`, with texts folded; None where nothing is left of them."""
    return [_filled(key) for key in _keys(table, columns, _folded)]


def _keys(
    table: Table, columns: Sequence[str], convert: Callable[[Any], Hashable]
) -> list[Hashable]:
    found = [table.column(name) for name in columns]
    plain = [column for column in found if column.dtype != object and column.ndim == 1]
    parts: list[list[Hashable]] = []
    if plain:
        # Adding zero makes -0.0 the same as 0.0.
        parts.append(_row_bytes(np.stack([c.astype(np.float64) + 0.0 for c in plain], axis=1)))
    for column in found:
        if column.ndim > 1:
            parts.append(_row_bytes(column))
        elif column.dtype == object:
            parts.append([convert(value) for value in column])
    return parts[0] if len(parts) == 1 else list(zip(*parts, strict=True))


def _row_bytes(matrix: np.ndarray) -> list[Hashable]:
    return [row.tobytes() for row in np.ascontiguousarray(matrix)]


def _exact(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    return tuple(value) if isinstance(value, list) else value


def _folded(value: Any) -> Hashable:
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        value = " ".join(value)
    return fold(value) if isinstance(value, str) else _exact(value)


def _filled(key: Hashable) -> Hashable | None:
    parts = key if isinstance(key, tuple) else (key,)
    return key if any(part != "" for part in parts) else None
