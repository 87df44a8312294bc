"""Encoded columns: what a batch is gathered from.

Shapes: N rows of the data set, B rows of a batch, L length of a row, T longest length in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Dense", "Field", "Ragged", "Targets", "TextEncoder"]


@dataclass(frozen=True)
class Dense:
    """A column whose rows have one shape.

    Args:
        values: ``[N, ...]``.
    """

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Tensor) -> Tensor:
        """The rows at positions ``rows [B]``: ``[B, ...]``."""
        return self.values.index_select(0, rows)


@dataclass(frozen=True)
class Ragged:
    """A column whose rows are sequences of unequal length, stored end to end.

    Args:
        values: ``[sum of L, ...]``.
        offsets: ``[N + 1]`` where each row starts; the last entry is the total length.
        fill: the value of the padding in a batch.
    """

    values: Tensor
    offsets: Tensor
    fill: float = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """``[N]`` the length of every row."""
        return self.offsets.diff()

    def take(self, rows: Tensor) -> Tensor:
        """The rows at positions ``rows [B]``, padded to the longest: ``[B, T, ...]``."""
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        lengths = ends - starts
        longest = int(lengths.max()) if len(rows) else 0
        if longest == 0:
            return self.values.new_full((len(rows), 0, *self.values.shape[1:]), self.fill)
        steps = torch.arange(longest)
        inside = steps < lengths[:, None]
        values = self.values[(starts[:, None] + steps).clamp_(max=len(self.values) - 1)]
        values[~inside] = self.fill
        return values

    def row(self, index: int) -> Tensor:
        """One row without padding: ``[L, ...]``."""
        return self.values[int(self.offsets[index]) : int(self.offsets[index + 1])]

    def row_sums(self, values: Tensor) -> Tensor:
        """``[N]`` the sums over each row of values stored as this column's, ``[sum of L]``."""
        owner = torch.repeat_interleave(torch.arange(len(self)), self.lengths)
        return values.new_zeros(len(self)).index_add_(0, owner, values)

    @staticmethod
    def from_rows(rows: Sequence[Tensor], *, fill: float = 0) -> Ragged:
        """Store sequences end to end; there must be at least one row."""
        lengths = torch.tensor([0, *(len(row) for row in rows)])
        return Ragged(torch.cat(list(rows)), lengths.cumsum(0), fill)


Field = Dense | Ragged


@dataclass(frozen=True)
class Targets:
    """The targets of one task for every row, and which of them were measured.

    Args:
        values: encoded targets; where the mask is false they hold a harmless value (0).
        mask: the same shape, true where the target was measured.
    """

    values: Field
    mask: Field

    def __len__(self) -> int:
        return len(self.values)

    @property
    def measured(self) -> Tensor:
        """``[N]`` true for rows with at least one measured target."""
        if isinstance(self.mask, Ragged):
            return self.mask.row_sums(self.mask.values.float()) > 0
        return self.mask.values.reshape(len(self.mask), -1).any(dim=1)


class TextEncoder(Protocol):
    """What turns text into the token fields of a backbone; the model brings it."""

    def texts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> dict[str, Field]:
        """Fields of whole texts, or of pairs of texts."""

    def words(self, sentences: Sequence[Sequence[str]]) -> dict[str, Field]:
        """Fields of sentences that are split into words, with the first token of every word."""
