"""Inner products of two models, in float64, with the same bits in PyTorch and in compiled code.

Products of float32 numbers are exact in float64, so that only the order matters in which they are
added up: in each block of a tensor those of every `LANES`-th element one after the other, then the
lanes of the block, then the blocks. Neither pieces nor threads change a bit.

Shapes: B blocks of `BLOCK` elements, the last of which may be shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from polytask.merging.engine.gramian import BLOCK, total
from polytask.merging.engine.lazy import Lazy
from polytask.merging.population import Population

__all__ = ["LANES", "Multipliable", "pair_products"]

LANES = 16
"""Sums of a block."""


class Multipliable(Lazy[Tensor]):
    """Values of two models whose products can be added up without the values being made.

    Args:
        makers: of the values of each model.
        sums: what makes the sums of the blocks, ``[3, B]``.
    """

    def __init__(self, makers: Sequence[Callable[[], Tensor]], sums: Callable[[], Tensor]) -> None:
        super().__init__(makers)
        self.sums = sums


def pair_products(population: Population) -> Tensor:
    """The inner products a a, a b and b b of two models a and b, ``[3]``.

    Args:
        population: what the models have.
    """
    return total(torch.cat(population.map(_sums), dim=-1))


def _sums(values: Sequence[Tensor]) -> Tensor:
    """``[3, B]`` the sums of the blocks."""
    if isinstance(values, Multipliable):
        return values.sums()
    lanes = _lanes(*values)
    while (half := lanes.shape[-1] // 2) > 0:
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


def _lanes(a: Tensor, b: Tensor) -> Tensor:
    """``[3, B, LANES]``."""
    x, y = (
        pad(values.double(), (0, -len(values) % BLOCK)).view(-1, BLOCK // LANES, LANES)
        for values in (a, b)
    )
    lanes = [x.new_zeros(len(x), LANES) for _ in range(3)]
    for row in range(BLOCK // LANES):
        first, second = x[:, row], y[:, row]
        lanes[0].addcmul_(first, first)
        lanes[1].addcmul_(first, second)
        lanes[2].addcmul_(second, second)
    return torch.stack(lanes)
