"""Sentences that are already split into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from polytask.data.inputs.base import Input
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Field, TextEncoder

__all__ = ["Words"]


@dataclass(frozen=True, kw_only=True)
class Words(Input):
    """A list of words per example, so that each word can have a target of its own.

    Args:
        column: the column of the lists of words.

    Raises:
        InputError: a row without words, a missing word, or a backbone that reads no text.
    """

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def encode(self, table: Table, text: TextEncoder | None = None) -> dict[str, Field]:
        if text is None:
            raise InputError(f"{table.origin}: the backbone reads no text; use a transformer")
        sentences = table.column(self.column)
        return text.words([self._words(table, row) for row in range(len(sentences))])

    def _words(self, table: Table, row: int) -> list[str]:
        words = table.column(self.column)[row]
        place = f"{table.place(row)}: column {self.column!r}"
        if not isinstance(words, list | tuple | np.ndarray) or len(words) == 0:
            raise InputError(f"{place} must be a list of words, got {words!r}")
        if any(word is None for word in words):
            raise InputError(f"{place}: word {list(words).index(None) + 1} is missing")
        return [str(word) for word in words]

    def shapes(self) -> Mapping[str, Any]:
        return {"text": True}
