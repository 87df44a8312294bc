"""Archives of NumPy arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import fit, from_array
from polytask.data.sources.files import existing
from polytask.data.sources.kinds import at_rows
from polytask.data.table import Table
from polytask.errors import InputError, unknown

__all__ = ["NPZ"]


@dataclass(frozen=True, kw_only=True)
class NPZ(Source):
    """Read arrays that were saved with ``numpy.savez``, without pickled objects.

    The first axis of every array is the row.

    Args:
        columns: column name -> array of the file. Default: every array, by its own name.

    Raises:
        InputError: on reading: not such a file, an unknown array, an array of Python objects, or
            arrays of different lengths.

    Example:
        >>> NPZ(columns={"image": "x_train", "label": "y_train"}).columns["label"]
        'y_train'
    """

    columns: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.columns is not None and not self.columns:
            raise InputError("columns: expected column: array, got nothing")

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        place = at_rows(str(path))
        columns = {}
        for name, array in self._arrays(path).items():
            column = from_array(array, name, origin=str(path))
            columns[name] = fit(column, name, like=like, place=place)
        return checked_table(columns, str(path))

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Only the needed arrays are read; see `Source.for_inputs`."""
        arrays = self.columns or {}
        return replace(self, columns={name: arrays.get(name, name) for name in columns})

    def _arrays(self, path: Path) -> dict[str, np.ndarray]:
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path}: not an .npz file, or cut short")
        try:
            with np.load(path, allow_pickle=False) as file:
                wanted = self.columns or {name: name for name in file.files}
                for array in wanted.values():
                    if array not in file.files:
                        raise unknown("array", array, file.files, where=str(path))
                return {name: file[array] for name, array in wanted.items()}
        except InputError:
            raise
        except Exception as error:  # NumPy and zipfile fail in many ways on damaged files
            raise InputError(f"{path}: cannot be read: {error}") from error
