"""A model whose rows of embeddings are put into the order of another model's tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from polytask.merging.kinds import Kind
from polytask.merging.sources.base import Entry, Source

__all__ = ["ByToken"]


class ByToken(Source):
    """Row i of a table holds what the model knows of token i of the reference.

    Where the model does not have the token, it is the row of the reference: a change of zero.

    Args:
        source: the model.
        reference: whose tokens count.
        tables: names of the tensors that have a row for each token.
        rows: number of a row in the reference -> its number in the model, for the tokens of both.
    """

    kind: Kind = "weights"

    def __init__(
        self, source: Source, reference: Source, tables: frozenset[str], rows: Mapping[int, int]
    ) -> None:
        self.label = source.label
        self.source, self.reference, self.tables = source, reference, tables
        self.entries = {
            name: self._entry(name) if name in tables else entry
            for name, entry in source.entries.items()
        }
        last = max((reference.entries[name].shape[0] for name in tables), default=0)
        self._rows = torch.full((last,), -1)
        pairs = torch.tensor(list(rows.items()), dtype=torch.long).view(-1, 2)
        self._rows[pairs[:, 0]] = pairs[:, 1]

    def read(self, name: str, start: int, stop: int) -> Tensor:
        if name not in self.tables:
            return self.source.read(name, start, stop)
        width = math.prod(self.entries[name].shape[1:])
        first, last = start // width, -(-stop // width)
        rows = self._rows[first:last]
        dtype = self.entries[name].dtype
        table = self.source.read(name, 0, self.source.entries[name].size).view(-1, width)
        own = self.reference.read(name, first * width, last * width).view(-1, width).to(dtype)
        found = torch.where((rows < 0)[:, None], own, table[rows.clamp_min(0)].to(dtype))
        return found.view(-1)[start - first * width : stop - first * width]

    def _entry(self, name: str) -> Entry:
        entry, other = self.source.entries[name], self.reference.entries[name]
        dtype = torch.promote_types(entry.dtype, other.dtype)
        return replace(entry, shape=other.shape, dtype=dtype)
