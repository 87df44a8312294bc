"""Inputs that cannot be read: missing numbers, texts that are none, broken molecules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.inputs.base import Input
from polytask.data.inputs.smiles import Smiles
from polytask.data.inputs.text import text_of
from polytask.data.table import Table
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
            _try(fitted, table)
        except InputError as error:
            yield _finding(examined, split, error)


def _try(fitted: Input, table: Table) -> None:
    """Encode, or less where that is slow and could find nothing more."""
    if isinstance(fitted, Smiles) and fitted.invalid == "zero":
        text_of(table, fitted.column)
    else:
        fitted.encode(table, _NoTokens())


def _finding(examined: Examined, split: str, error: InputError) -> Finding:
    return Finding(
        level="error", kind="inputs", message=str(error), data=examined.name, split=split
    )
