"""Inputs that cannot be read: missing numbers, texts that are none, broken molecules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.errors import InputError
from polytask.fields import Field

__all__ = ["find"]


class _NoTokens:
    """Reads texts without a tokenizer, so that an input checks its cells and nothing else."""

    def texts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> dict[str, Field]:
        """No fields."""
        return {}

    def words(self, sentences: Sequence[Sequence[str]]) -> dict[str, Field]:
        """No fields."""
        return {}


def find(examined: Examined) -> Iterator[Finding]:
    """An error for each split whose inputs the model could not read."""
    try:
        fitted = examined.data.input.fit(examined.train)
    except InputError as error:
        yield _finding(examined, "train", error)
        return
    for split, table in examined.data.tables.items():
        try:
            fitted.encode(table, _NoTokens())
        except InputError as error:
            yield _finding(examined, split, error)


def _finding(examined: Examined, split: str, error: InputError) -> Finding:
    return Finding(
        level="error", kind="inputs", message=str(error), data=examined.name, split=split
    )
