"""What every source is: a description of files that can be read into a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["Source", "checked_table"]


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A type of file and how it is written; the fields of a subclass are its options.

    See Also:
        polytask.data.sources.SOURCES: the sources by name.
    """

    @abstractmethod
    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file (or folder).

        Args:
            path: the file; None only for sources that need none.
            like: the table of the first (training) file. A column that is text there is text here,
                a column of numbers there holds numbers here.

        Raises:
            InputError: the file is missing, empty, damaged or of another type, or a cell does not
                fit; names the file and, where there is one, the line and the column.
        """

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """The source for a file of which these columns are needed; it may lack the others.

        So a file without targets can be read for prediction. A type of source whose files always
        hold all columns, or name those that they hold, has nothing to change.

        Args:
            path: the file.
            columns: those that are needed.

        Raises:
            InputError: the file had to be looked at, and cannot be read.
        """
        return self


def checked_table(
    columns: Mapping[str, np.ndarray], origin: str, lines: np.ndarray | None = None
) -> Table:
    """A table with at least one column and one row.

    Raises:
        InputError: there is nothing in it.
    """
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{origin}: there are no rows in it")
    where = {} if lines is None else {"lines": lines}
    return Table(columns, origin, **where)
