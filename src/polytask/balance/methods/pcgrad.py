"""Projecting conflicting gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses

__all__ = ["PCGrad"]


@dataclass(kw_only=True, eq=False)
class PCGrad(GramianWeighting):
    """Removes from each gradient what points against another one, then adds them up.

    Each gradient g_i is projected in turn, for the other tasks j in random order: if it has a
    negative inner product with g_j, it loses its part along g_j. The update is the sum of what is
    left.

    Source: Yu et al., "Gradient Surgery for Multi-Task Learning", 2020, algorithm 1.

    Args:
        seed: of the random orders.
    """

    seed: int = 0

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        count = len(gramian)
        order = torch.rand(count, count, generator=self.generator(self.seed)).argsort(dim=1)
        return projected(gramian, order).sum(0)


def projected(gramian: Tensor, order: Tensor) -> Tensor:
    """``[K, K]`` each task's projected gradient as weights of all gradients.

    Args:
        gramian: ``[K, K]``.
        order: ``[K, K]`` the order in which row i meets the other tasks; itself is passed over.
    """
    rows = torch.arange(len(gramian))
    weights = torch.eye(len(gramian), dtype=gramian.dtype)
    products = gramian.clone()  # of each projected gradient with each gradient
    squares = gramian.diagonal()
    for other in order.unbind(1):
        along = products[rows, other]
        conflict = (along < 0) & (other != rows) & (squares[other] > 0)
        part = torch.where(conflict, along / squares[other], 0.0)
        weights[rows, other] -= part
        products -= part[:, None] * gramian[other]
    return weights
