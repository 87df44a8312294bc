"""Parquet files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from polytask.data.sources.arrow import from_arrow
from polytask.data.sources.base import Source
from polytask.data.sources.files import existing
from polytask.data.sources.options import check_names, choose
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["Parquet"]


@dataclass(frozen=True, kw_only=True)
class Parquet(Source):
    """Read a Parquet file.

    Dates and times become text; lists of fixed size become arrays ``[N, size]``.

    Args:
        columns: the columns to read. Default: all.

    Raises:
        InputError: on reading: not a Parquet file, an unknown column, or a column of a type that a
            table cannot hold (structs, bytes).

    Example:
        >>> Parquet(columns=("text", "label")).columns
        ('text', 'label')
    """

    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.columns is not None:
            check_names("columns", self.columns)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        import pyarrow as pa
        from pyarrow import parquet

        path = existing(path)
        try:
            with parquet.ParquetFile(path) as file:
                names = choose(file.schema_arrow.names, self.columns, str(path))
                table = file.read(columns=names)
            table.validate(full=True)  # text that is no UTF-8, offsets beyond the end
        except (pa.ArrowException, OSError) as error:
            cause = str(error).splitlines()[0]
            raise InputError(f"{path}: not a Parquet file, or damaged: {cause}") from error
        return from_arrow(table.select(names), str(path), like=like)

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Only the needed columns are read; see `Source.for_inputs`."""
        return replace(self, columns=tuple(columns))
