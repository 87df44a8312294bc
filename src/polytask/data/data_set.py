"""A data set: the tables of its splits and what a model sees of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.data.inputs.base import Input
from polytask.data.sources.base import Source
from polytask.data.splits import SPLITS, Split
from polytask.data.table import Table
from polytask.errors import InputError, unknown

__all__ = ["DataSet", "read_splits"]

Files = str | Sequence[str]
"""One file, or several whose rows follow each other."""


@dataclass(frozen=True)
class DataSet:
    """Rows with inputs and targets, told apart into splits.

    Args:
        name: the name by which tasks refer to it.
        input: what a model sees.
        tables: split (train, validation, test) -> rows.

    Raises:
        InputError: there is no training split, or a split without a row.
    """

    name: str
    input: Input
    tables: Mapping[str, Table]

    def __post_init__(self) -> None:
        if "train" not in self.tables:
            found = sorted(self.tables)
            raise InputError(f"data set {self.name!r} has no training split, only {found}")
        for split, table in self.tables.items():
            if split not in SPLITS:
                raise unknown("split", split, SPLITS, where=f"data set {self.name!r}")
            if len(table) == 0:
                raise InputError(
                    f"data set {self.name!r}: split {split!r} has no row ({table.origin})"
                )


def read_splits(
    source: Source,
    files: Files | Mapping[str, Files] | None,
    *,
    split: Split | None = None,
    folder: Path = Path(),
) -> dict[str, Table]:
    """Read the files of a data set and tell its splits apart.

    Args:
        source: how files are read.
        files: one file or several for all splits, split -> file or files, or None for a source
            without file.
        split: how rows are told apart. With files per split, it cuts the training files further.
        folder: relative paths start here.

    Returns:
        Split -> rows.

    Raises:
        InputError: a file is absent or unreadable, an unknown split is named, there is none for
            training, or a split comes both from files and from a cut.
    """
    if not isinstance(files, Mapping):
        table = _read(source, files, folder, None)
        return {"train": table} if split is None else split.apply(table)
    for name in files:
        if name not in SPLITS:
            raise unknown("split", name, SPLITS, where="files")
    if "train" not in files:
        raise InputError(f"files: no training files, only {sorted(files)}")
    tables = {"train": _read(source, files["train"], folder, None)}
    for name in files:
        if name != "train":
            tables[name] = _read(source, files[name], folder, tables["train"])
    return tables if split is None else {**tables, **_cut(split, tables)}


def _cut(split: Split, tables: Mapping[str, Table]) -> dict[str, Table]:
    parts = split.apply(tables["train"])
    twice = sorted(set(parts) & set(tables) - {"train"})
    if twice:
        raise InputError(
            f"split: {twice} are given as files and cut from the training files as well"
        )
    return parts


def _read(source: Source, files: Files | None, folder: Path, like: Table | None) -> Table:
    if files is None:
        return source.read(None, like=like)
    tables: list[Table] = []
    for path in [files] if isinstance(files, str) else files:
        tables.append(source.read(folder / path, like=like))
        like = tables[0] if like is None else like
    return Table.concatenate(tables)
