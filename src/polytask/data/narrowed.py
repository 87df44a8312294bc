"""The training splits with the targets of some tasks alone.

Shapes: N rows of a split, B rows of a draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from polytask.data.encoded import EncodedSplit

__all__ = ["Narrowed"]


@dataclass(frozen=True)
class Narrowed:
    """Splits that carry some tasks alone, and which of their rows have a target.

    Args:
        splits: data set -> split.
        labelled: data set -> ``[N]`` true where any of the tasks has a target; None where that is
            everywhere.
    """

    splits: Mapping[str, EncodedSplit]
    labelled: Mapping[str, Tensor | None]

    @staticmethod
    def to(splits: Mapping[str, EncodedSplit], tasks: Iterable[str]) -> Narrowed:
        """Keep the targets of these tasks; `LabelIndex` is built here, not in a worker."""
        names = list(tasks)
        narrowed = {name: split.only(names) for name, split in splits.items()}
        return Narrowed(narrowed, {name: _labelled(split) for name, split in narrowed.items()})

    def useful(self, name: str, rows: Tensor) -> Tensor:
        """The rows ``[B]`` of a data set without those that have no target."""
        labelled = self.labelled[name]
        return rows if labelled is None else rows[labelled[rows]]


def _labelled(split: EncodedSplit) -> Tensor | None:
    labelled = split.index.labelled
    return None if bool(labelled.all()) else labelled
