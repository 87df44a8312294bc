"""The abstract input type: how columns become the fields that a backbone reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from polytask.data.inputs.columns import as_column
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Field, TextEncoder

__all__ = ["Input"]


@dataclass(frozen=True, kw_only=True)
class Input(ABC):
    """Which columns a model sees, and how they become fields.

    An input is a value: `fit` returns a copy that knows what the training split tells (categories,
    means), and only a fitted input can encode.
    """

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""

    def fit(self, table: Table) -> Self:
        """A copy that knows what the training split tells.

        Raises:
            InputError: a column does not exist or cannot be read as this kind of input.
        """
        for name in self.columns:
            table.column(name)
        return self

    @abstractmethod
    def encode(self, table: Table, text: TextEncoder | None = None) -> dict[str, Field]:
        """The fields of every row.

        Raises:
            InputError: a missing or unreadable value, with its place; or text for a backbone that
                reads none.
        """

    @abstractmethod
    def shapes(self) -> Mapping[str, Any]:
        """What a backbone must know of the fields before it is made: field name -> sizes."""

    def table(self, examples: Sequence[Any]) -> Table:
        """Examples of a user as a table.

        Args:
            examples: mappings from column to value, or bare values for an input of one column.

        Raises:
            InputError: there is no example, or one lacks a column.
        """
        if not examples:
            raise InputError("no examples: give at least one")
        columns: dict[str, list[Any]] = {name: [] for name in self.columns}
        for index, example in enumerate(examples):
            for name, value in zip(self.columns, self._values(example, index), strict=True):
                columns[name].append(value)
        return Table({name: as_column(values) for name, values in columns.items()}, "examples")

    def _values(self, example: Any, index: int) -> list[Any]:
        if not isinstance(example, Mapping):
            if len(self.columns) != 1:
                raise InputError(f"example {index + 1}: give a mapping with {list(self.columns)}")
            return [example]
        absent = [name for name in self.columns if name not in example]
        if absent:
            raise InputError(f"example {index + 1}: lacks {absent}, has {list(example)}")
        return [example[name] for name in self.columns]
