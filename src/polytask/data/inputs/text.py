"""Text and pairs of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polytask.data.inputs.base import Input
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Field, TextEncoder

__all__ = ["Text", "text_of"]


@dataclass(frozen=True, kw_only=True)
class Text(Input):
    """One text per example, or a pair of texts.

    Args:
        column: the column of the text.
        pair: the column of the second text, if examples are pairs.

    Raises:
        InputError: a missing text, or a backbone that reads no text.
    """

    column: str
    pair: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.pair is None else (self.column, self.pair)

    def encode(self, table: Table, text: TextEncoder | None = None) -> dict[str, Field]:
        if text is None:
            raise InputError(f"{table.origin}: the backbone reads no text; use a transformer")
        pairs = None if self.pair is None else text_of(table, self.pair)
        return text.texts(text_of(table, self.column), pairs)

    def shapes(self) -> Mapping[str, Any]:
        return {"text": True}


def text_of(table: Table, name: str) -> list[str]:
    """A column of strings.

    Raises:
        InputError: a value is missing or no text, with its place.
    """
    values = table.column(name)
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise InputError(f"{table.place(row)}: column {name!r} must be text, got {value!r}")
    return list(values)
