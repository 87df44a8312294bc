"""The change between two models as an input of a merge."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.merging.kinds import Kind
from polytask.merging.sources.base import Entry, Source

__all__ = ["Difference"]


class Difference(Source):
    """What has to be added to one model to get another, tensor by tensor.

    Args:
        model: what is reached.
        base: where it starts; it has the same tensors.
    """

    kind: Kind = "delta"

    def __init__(self, model: Source, base: Source) -> None:
        self.label = f"{model.label} - {base.label}"
        self.model, self.base = model, base
        self.entries = {name: _entry(model, base, name) for name in model.entries}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        dtype = self.entries[name].dtype
        piece = self.model.read(name, start, stop).to(dtype)
        return piece - self.base.read(name, start, stop).to(dtype)


def _entry(model: Source, base: Source, name: str) -> Entry:
    """The tensor of differences: in float32 or wider, so that none is rounded to nothing."""
    entry = model.entries[name]
    both = torch.promote_types(entry.dtype, base.entries[name].dtype)
    wide = torch.promote_types(both, torch.float32) if both.is_floating_point else both
    return Entry(entry.shape, wide, entry.file)
