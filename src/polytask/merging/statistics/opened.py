"""Statistics of a model, opened: they are read piece by piece, and checked as they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from polytask.errors import InputError
from polytask.merging.engine.finite import all_finite
from polytask.merging.sources.base import Source
from polytask.merging.sources.checkpoint import Checkpoint
from polytask.merging.sources.state_dict import StateDict
from polytask.merging.statistics.statistics import TRANSPOSED, Statistics, StatisticsKind

__all__ = ["OpenStatistics", "in_memory", "open_statistics"]


@dataclass(frozen=True)
class OpenStatistics:
    """Statistics of one model that can be read.

    Args:
        kind: what was measured.
        source: its tensors, under the names of those of the model.
        transposed: names of weights that are ``[inputs, outputs]``.
    """

    kind: StatisticsKind
    source: Source
    transposed: frozenset[str]

    @property
    def label(self) -> str:
        """What messages call them."""
        return self.source.label

    def read(self, name: str, start: int, stop: int) -> Tensor:
        """Elements of a flat tensor, as they are stored; they must not be written to.

        Raises:
            InputError: a value is NaN or infinite, or of ``fisher`` negative.
        """
        values = self.source.read(name, start, stop)
        if not all_finite(values):
            raise InputError(f"{self.label}: tensor {name!r} holds NaN or infinities")
        if self.kind == "fisher" and bool((values < 0).any()):
            raise InputError(f"{self.label}: tensor {name!r} is negative: no mean of squares")
        return values

    def whole(self, name: str) -> Tensor:
        """A tensor in its shape.

        Raises:
            InputError: as `read`.
        """
        entry = self.source.entries[name]
        return self.read(name, 0, entry.size).view(entry.shape)


def in_memory(label: str, statistics: Statistics, *, without: Mapping[str, str]) -> OpenStatistics:
    """Statistics in memory, opened.

    Args:
        label: what messages call them.
        statistics: what was measured.
        without: names that are left out, because others share their tensors.

    Raises:
        InputError: they hold something else than tensors of numbers.
    """
    if not isinstance(statistics, Statistics):
        raise InputError(f"{label}: is a {type(statistics).__name__}, not Statistics")
    tensors = {name: value for name, value in statistics.tensors.items() if name not in without}
    return OpenStatistics(statistics.kind, StateDict(label, tensors), statistics.transposed)


def open_statistics(file: Path) -> OpenStatistics:
    """The statistics in a file that `Statistics.save` wrote.

    Raises:
        InputError: it is absent, truncated, or no file of statistics.
    """
    held = Checkpoint(str(file), [file])
    [metadata] = held.metadata
    kind: Any = metadata.get("kind")
    if kind not in get_args(StatisticsKind):
        wanted = " or ".join(get_args(StatisticsKind))
        raise InputError(f"{file}: holds no statistics: its kind is {kind!r}, not {wanted}")
    transposed = _names(file, metadata.get(TRANSPOSED, "[]"))
    return OpenStatistics(kind, held, transposed)


def _names(file: Path, text: str) -> frozenset[str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise InputError(f"{file}: its metadata are broken: {TRANSPOSED} is {text!r}, no list")
    return frozenset(map(str, found))
