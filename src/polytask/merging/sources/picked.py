"""Some runs of elements of a tensor, as if they were one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.merging.sources.base import Entry, Source

__all__ = ["Picked"]


class Picked(Source):
    """Runs of one tensor of another input, one after the other.

    Args:
        source: the input.
        name: of the tensor.
        runs: first element, and the element after the last one, of each.
    """

    def __init__(self, source: Source, name: str, runs: Sequence[tuple[int, int]]) -> None:
        self.label, self.kind = source.label, source.kind
        self._source, self._runs = source, runs
        entry = source.entries[name]
        size = sum(stop - start for start, stop in runs)
        self.entries = {name: Entry((size,), entry.dtype, entry.file)}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        runs = [self._source.read(name, *run) for run in self._runs]
        return torch.cat(runs)[start:stop]

    def touches(self, name: str) -> bool:
        return self._source.touches(name)
