"""How the files of a data set are read, as a trained model remembers it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polytask.construct import plain
from polytask.data.sources.base import Source
from polytask.data.sources.build import build_source
from polytask.data.sources.columns import object_array
from polytask.data.sources.guess import ending_of, source_of_ending
from polytask.data.sources.kinds import Kind, kind_of
from polytask.data.table import Table

__all__ = ["SavedSource", "as_in_training", "saved_source"]

EXAMPLES: Mapping[Kind, np.ndarray] = {
    "number": np.zeros(1, dtype=np.int64),
    "text": object_array(["text"]),
    "list of words": object_array([["word"]]),
    "list of numbers": object_array([[0]]),
}
"""A column of each kind; arrays are left out, since inputs check their shapes themselves."""


@dataclass(frozen=True, kw_only=True)
class SavedSource:
    """How the files of a data set are read, as a trained model remembers it.

    Args:
        source: what the recipe says, with ``type``; plain values.
        endings: how the names of the recipe's files end, for example ``.csv``.
        kinds: input column -> what it held in training.
    """

    source: Mapping[str, Any]
    endings: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    def reads(self, file: Path) -> bool:
        """Whether a file may be written like those of the recipe: its ending says nothing else."""
        known = source_of_ending(file)
        return known in (None, self.source["type"]) or ending_of(file) in self.endings

    def build(self, *, where: str, trust: bool = False) -> Source:
        """The source.

        Raises:
            InputError: see `polytask.data.sources.build.build_source`.
        """
        return build_source(self.source, where=where, trust=trust)


def saved_source(
    spec: str | Mapping[str, Any],
    files: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None,
    train: Table,
    columns: Collection[str],
) -> SavedSource:
    """What to remember of a data set.

    Args:
        spec: what the recipe says of the source.
        files: what the recipe says of the files.
        train: the training rows.
        columns: those that the input reads.
    """
    kinds = {name: kind_of(train.column(name)) for name in columns}
    return SavedSource(
        source=plain({"type": spec} if isinstance(spec, str) else spec),
        endings=tuple(sorted({ending_of(file) for file in _names(files)})),
        kinds={name: kind for name, kind in kinds.items() if kind and kind in EXAMPLES},
    )


def as_in_training(sources: Iterable[SavedSource]) -> Table:
    """A table of one row that tells what the columns held in training, as far as all agree.

    A source reads a file ``like`` this table.
    """
    kinds: dict[str, set[Kind]] = {}
    for source in sources:
        for name, kind in source.kinds.items():
            kinds.setdefault(name, set()).add(kind)
    agreed = {name: found.pop() for name, found in kinds.items() if len(found) == 1}
    return Table({name: EXAMPLES[kind] for name, kind in agreed.items()}, "training")


def _names(files: Any) -> list[str]:
    if files is None or isinstance(files, str):
        return [] if files is None else [files]
    several = files.values() if isinstance(files, Mapping) else files
    return [name for item in several for name in _names(item)]
