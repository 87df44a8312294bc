"""Data sets of the Hugging Face library, saved to a folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data.sources.arrow import from_arrow
from polytask.data.sources.base import Source
from polytask.data.sources.columns import fit, object_array
from polytask.data.sources.files import existing
from polytask.data.sources.kinds import at_rows
from polytask.data.sources.options import check_names, choose
from polytask.data.table import Table
from polytask.errors import InputError, unknown

__all__ = ["Datasets"]


@dataclass(frozen=True, kw_only=True)
class Datasets(Source):
    """Read a folder that was saved with ``datasets.save_to_disk``.

    Class labels become their names; the label -1 means missing.

    Args:
        split: which data set of a dictionary of data sets. Default: none, for a single data set.
        columns: the columns to read. Default: all.

    Raises:
        InputError: on reading: not such a folder, a split that is missing, unknown or too much, an
            unknown column, or a column of a type that a table cannot hold (images, structs).

    Example:
        >>> Datasets(split="train").split
        'train'
    """

    split: str | None = None
    columns: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.columns is not None:
            check_names("columns", self.columns)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one folder; see `Source.read`."""
        path = existing(path, folder=True)
        data = self._choose(_load(path), path)
        origin = str(path) if self.split is None else f"{path} ({self.split})"
        names = choose(data.column_names, self.columns, origin)
        table = from_arrow(data.select_columns(names).with_format("arrow")[:], origin, like=None)
        columns = {**table.columns, **_class_names(table, data.features)}
        place = at_rows(origin)
        fitted = {name: fit(c, name, like=like, place=place) for name, c in columns.items()}
        return table.with_columns(fitted)

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Only the needed columns are read; see `Source.for_inputs`."""
        return replace(self, columns=tuple(columns))

    def _choose(self, data: Any, path: Path) -> Any:
        if not isinstance(data, dict):
            if self.split is not None:
                raise InputError(f"{path}: holds one data set, so 'split' has no meaning")
            return data
        if self.split is None:
            raise InputError(f"{path}: holds several data sets; give 'split', one of {list(data)}")
        if self.split not in data:
            raise unknown("split", self.split, data, where=str(path))
        return data[self.split]


def _load(path: Path) -> Any:
    import datasets

    try:
        return datasets.load_from_disk(str(path), keep_in_memory=True)
    except Exception as error:  # damaged folders fail in many ways
        raise InputError(f"{path}: not a folder of datasets.save_to_disk: {error}") from error


def _class_names(table: Table, features: Any) -> dict[str, np.ndarray]:
    """The columns of class labels as names."""
    import datasets

    named = {}
    for name, column in table.columns.items():
        feature = features[name]
        inner = getattr(feature, "feature", feature)
        if not isinstance(inner, datasets.ClassLabel):
            continue
        if inner is feature:
            named[name] = object_array(_name(inner, label) for label in column)
        else:
            named[name] = object_array([_name(inner, x) for x in labels] for labels in column)
    return named


def _name(feature: Any, label: Any) -> str | None:
    return None if np.isnan(label) or label < 0 else str(feature.int2str(int(label)))
