"""A function of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import fit, from_array, from_values
from polytask.data.sources.kinds import at_rows, expectation
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.registry import import_name

__all__ = ["Function"]


@dataclass(frozen=True, kw_only=True)
class Function(Source):
    """Call a function of yours that returns a table, or a mapping from column names to values.

    It is called as ``function(path, **options)``, without ``path`` if none is given. A mapping may
    hold NumPy arrays and lists.

    Args:
        function: where it is, ``package.module:name``.
        options: its keyword arguments. Default: none.
        trust: whether it may run. A recipe cannot set this; the command line does with ``--trust``.
            Default False.

    Raises:
        InputError: the name does not look like ``package.module:name``; on reading: `trust` is
            False, there is no such function, it fails, or it returns something else.

    Example:
        >>> Function(function="my_project.data:load", options={"rows": 100}).trust
        False
    """

    function: str
    options: Mapping[str, Any] = field(default_factory=dict)
    trust: bool = False

    def __post_init__(self) -> None:
        module, _, name = self.function.partition(":")
        if not (module and name):
            raise InputError(f"function: expected 'package.module:name', got {self.function!r}")

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Call the function; see `Source.read`."""
        if not self.trust:
            raise InputError(
                f"function {self.function} runs code; pass --trust (trust=True) if you trust it"
            )
        result = self._call(path)
        table = result if isinstance(result, Table) else self._table(result, like)
        return table.with_columns(
            {
                name: fit(column, name, like=like, place=table.place)
                for name, column in table.columns.items()
            }
        )

    def _call(self, path: Path | None) -> Any:
        function = import_name(self.function, where="function")
        if not callable(function):
            raise InputError(f"function {self.function}: this is not a function")
        try:
            return function(**self.options) if path is None else function(path, **self.options)
        except Exception as error:
            raise InputError(f"function {self.function} failed: {error!r}") from error

    def _table(self, result: Any, like: Table | None) -> Table:
        if not isinstance(result, Mapping):
            found = type(result).__name__
            raise InputError(
                f"function {self.function}: expected a Table or a mapping, got {found}"
            )
        columns = {str(name): self._column(str(name), v, like) for name, v in result.items()}
        return checked_table(columns, self.function)

    def _column(self, name: str, values: Any, like: Table | None) -> np.ndarray:
        if isinstance(values, np.ndarray):
            return from_array(values, name, origin=self.function)
        if not isinstance(values, list | tuple):
            found = type(values).__name__
            raise InputError(f"{self.function}, column {name!r}: expected a list, got {found}")
        place = at_rows(self.function)
        return from_values(values, name, expect=expectation(like, name), place=place)
