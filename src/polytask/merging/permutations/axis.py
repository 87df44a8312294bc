"""Where the units of one permutation are along an axis of a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.merging.settings import check_count

__all__ = ["Axis"]


@dataclass(frozen=True)
class Axis:
    """An axis along which a permutation moves units.

    The axis has repeat x units x block entries: entry ``(r * units + u) * block + b`` belongs to
    unit u. Heads of attention are blocks; queries, keys and values in one matrix are repeats.

    Args:
        permutation: its name; axes of the same name are permuted alike.
        repeat: how often all units follow each other.
        block: entries of a unit that lie side by side.

    Raises:
        InputError: repeat or block is less than one.
    """

    permutation: str
    repeat: int = 1
    block: int = 1

    def __post_init__(self) -> None:
        for name in ("repeat", "block"):
            check_count(name, getattr(self, name), least=1)

    def units(self, size: int) -> int | None:
        """How many units an axis of this size has; None if it is not whole units."""
        units, rest = divmod(size, self.repeat * self.block)
        return units if rest == 0 and units > 0 else None

    def index(self, permutation: Tensor) -> Tensor:
        """Which entry comes to each place of the axis, ``[repeat * units * block]``.

        Args:
            permutation: which unit comes to each place, ``[units]``.
        """
        entries = torch.arange(self.repeat * len(permutation) * self.block)
        return entries.view(self.repeat, len(permutation), self.block)[:, permutation].reshape(-1)

    def by_unit(self, tensor: Tensor, dim: int) -> Tensor:
        """A tensor as one row for each unit, ``[units, others]``.

        Args:
            tensor: that has this axis.
            dim: where.
        """
        moved = tensor.movedim(dim, 0)
        units = moved.shape[0] // (self.repeat * self.block)
        apart = moved.reshape(self.repeat, units, self.block, *moved.shape[1:])
        return apart.transpose(0, 1).reshape(units, -1)

    def sorted(self, tensor: Tensor, dim: int) -> Tensor:
        """A tensor whose units are sorted by value, each entry of them by itself.

        Args:
            tensor: that has this axis.
            dim: where.
        """
        apart = torch.unflatten(tensor, dim, (self.repeat, -1, self.block))
        return apart.sort(dim=dim + 1).values.flatten(dim, dim + 2)
