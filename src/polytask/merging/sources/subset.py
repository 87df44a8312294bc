"""Some tensors of an input."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from polytask.merging.sources.base import Source

__all__ = ["Subset"]


class Subset(Source):
    """An input without some of its tensors.

    Args:
        source: the input.
        names: of the tensors that stay.
    """

    def __init__(self, source: Source, names: Collection[str]) -> None:
        self.label, self.kind, self._source = source.label, source.kind, source
        self.entries = {name: e for name, e in source.entries.items() if name in names}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        return self._source.read(name, start, stop)

    def touches(self, name: str) -> bool:
        return self._source.touches(name)
