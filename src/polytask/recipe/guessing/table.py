"""The files of a data set as one table, read the way that the recipe will read them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polytask.data import SOURCES, Table
from polytask.errors import InputError
from polytask.recipe.guessing.column import Column
from polytask.recipe.guessing.groups import FileGroup
from polytask.recipe.guessing.sniff import sniff
from polytask.recipe.guessing.sniffed import Sniffed

__all__ = ["GuessedTable", "read_group"]

SIZE = [64, 64]
"""Height and width to which pictures of different sizes are resized."""


@dataclass(frozen=True)
class GuessedTable:
    """A data set that was read.

    Args:
        group: its files, without those that lack columns.
        source: how they were read, and what was found.
        columns: of all files, in their order.
        training_rows: rows of the training files, which come first; None if files tell no splits.
        rows: of all files.
    """

    group: FileGroup
    source: Sniffed
    columns: dict[str, Column]
    training_rows: int | None
    rows: int


def read_group(group: FileGroup) -> GuessedTable:
    """Find out how the files are written, and read them.

    Raises:
        InputError: a file is missing, empty, or cannot be read.
    """
    source = sniff(group.first)
    try:
        return _read_all(group, source)
    except InputError as error:
        changed = _other_way(source, str(error))
        if changed is None:
            raise
    return _read_all(group, changed)


def _other_way(source: Sniffed, problem: str) -> Sniffed | None:
    """What to try if files cannot be read, and the message says how they could be."""
    kind = source.options["type"]
    if kind == "images" and "option 'size' resizes" in problem:
        comment = "The pictures have different sizes: they are resized."
        return Sniffed({**source.options, "size": SIZE}, [*source.comments, comment])
    if kind in ("csv", "tsv") and "quoting: false" in problem and "quoting" not in source.options:
        return Sniffed({**source.options, "quoting": False}, source.comments)
    return None


def _read_all(group: FileGroup, source: Sniffed) -> GuessedTable:
    first = _read(source.options, group.first, None)
    tables: dict[str, list[Table]] = {}
    files: dict[str, list[Path]] = {}
    comments = list(source.comments)
    for split, paths in sorted(group.files.items(), key=lambda item: item[0] != "train"):
        for path in paths:
            table = first if path == group.first else _read(source.options, path, first)
            absent = [name for name in first.columns if name not in table.columns]
            if absent:
                comments.append(f"{path.name} is left out: it has no column {absent[0]!r}.")
                continue
            tables.setdefault(split, []).append(table)
            files.setdefault(split, []).append(path)
    names = list(first.columns)
    parts = [Table({n: t.columns[n] for n in names}, "all") for s in tables for t in tables[s]]
    whole = Table.concatenate(parts)
    several = len(files) > 1
    return GuessedTable(
        FileGroup(group.name, files if several else {"": next(iter(files.values()))}),
        replace(source, comments=comments),
        {name: Column(name, whole.columns[name]) for name in names},
        sum(len(table) for table in tables["train"]) if several else None,
        len(whole),
    )


def _read(options: dict[str, Any], path: Path, like: Table | None) -> Table:
    source = SOURCES.build(options, where=str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about cells that may mean missing: said when it is read
        return source.read(path, like=like)
