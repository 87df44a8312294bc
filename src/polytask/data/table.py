"""A table: named columns of equal length in memory, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from polytask.errors import InputError, unknown

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """Columns read from one or more files.

    A column is a NumPy array whose first axis is the row. Numbers are ``int64`` (no value missing)
    or ``float64`` (NaN means missing); text, lists of words and arrays of unequal length are in an
    ``object`` array in which ``None`` means missing; images of one size are ``[N, H, W]`` or
    ``[N, H, W, C]``.

    Args:
        columns: column name -> array.
        origin: the file or files, for messages.
        lines: ``[N]`` the line (or record) number of each row in its file, from 1; for messages.
        files: ``[N]`` the file of each row, if they come from several.

    Raises:
        InputError: the columns differ in length.
    """

    columns: Mapping[str, np.ndarray]
    origin: str
    lines: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    files: np.ndarray | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"{self.origin}: columns differ in length: {lengths}")
        if len(self.lines) == 0:
            object.__setattr__(self, "lines", np.arange(1, len(self) + 1))
        if len(self.lines) != len(self):
            raise InputError(f"{self.origin}: {len(self.lines)} line numbers for {len(self)} rows")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def column(self, name: str) -> np.ndarray:
        """The column of that name.

        Raises:
            InputError: there is no such column; names the file and the nearest column.
        """
        if name not in self.columns:
            raise unknown("column", name, self.columns, where=self.origin)
        return self.columns[name]

    def take(self, rows: np.ndarray) -> Table:
        """The rows at these positions, in this order."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        files = None if self.files is None else self.files[rows]
        return Table(columns, self.origin, self.lines[rows], files)

    def with_columns(self, columns: Mapping[str, np.ndarray]) -> Table:
        """This table with further (or replaced) columns."""
        return Table({**self.columns, **columns}, self.origin, self.lines, self.files)

    def place(self, row: int) -> str:
        """Where a row stands, for messages: ``file, line 12``."""
        file = self.origin if self.files is None else self.files[row]
        return f"{file}, line {int(self.lines[row])}"

    @staticmethod
    def concatenate(tables: Sequence[Table]) -> Table:
        """The rows of several tables that have the same columns, one after the other.

        Raises:
            InputError: there is no table, or the columns differ in name or shape.
        """
        if not tables:
            raise InputError("no files: name at least one")
        first = tables[0]
        if len(tables) == 1:
            return first
        for other in tables[1:]:
            _check_alike(first, other)
        return Table(
            {name: np.concatenate([t.columns[name] for t in tables]) for name in first.columns},
            ", ".join(dict.fromkeys(table.origin for table in tables)),
            np.concatenate([table.lines for table in tables]),
            np.concatenate([table._files() for table in tables]),
        )

    def _files(self) -> np.ndarray:
        """``[N]`` the file of each row."""
        return np.full(len(self), self.origin, dtype=object) if self.files is None else self.files


def _check_alike(first: Table, other: Table) -> None:
    differing = sorted(set(other.columns) ^ set(first.columns))
    if differing:
        raise InputError(
            f"{other.origin}: columns {differing} are not in both this file and {first.origin}"
        )
    for name, column in other.columns.items():
        expected = first.columns[name].shape[1:]
        if column.shape[1:] != expected:
            raise InputError(
                f"{other.origin}: column {name!r} holds values of shape {column.shape[1:]}, "
                f"in {first.origin} it is {expected}"
            )
