"""Projecting conflicting gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.task_values import reciprocal

__all__ = ["PCGrad"]


@dataclass(kw_only=True, eq=False)
class PCGrad(GramianWeighting):
    """Removes from each gradient what points against another one, then adds them up.

    Each gradient g_i is projected in turn, for the other tasks j in random order: if it has a
    negative inner product with g_j, it loses its part along g_j. The update is the sum of what is
    left.

    Source: Yu et al., "Gradient Surgery for Multi-Task Learning", 2020, algorithm 1. With
    ``priorities`` the sum is weighted.

    Args:
        seed: of the random orders.
    """

    seed: int = 0

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        count = len(gramian)
        order = torch.rand(count, count, generator=self.generator(self.seed)).argsort(dim=1)
        return count * self.shares(losses) @ projected(gramian, order)


def projected(gramian: Tensor, order: Tensor) -> Tensor:
    """``[K, K]`` each task's projected gradient as weights of all gradients.

    Args:
        gramian: ``[K, K]``.
        order: ``[K, K]`` the order in which row i meets the other tasks; itself is passed over.
    """
    count = len(gramian)
    parts = gramian * reciprocal(gramian.diagonal())  # of each gradient along each one
    met = parts[order[:, :, None], order[:, None]]  # the same, as row i meets them
    own = order == torch.arange(count)[:, None]
    along = parts.gather(1, order).masked_fill_(own, 0.0)
    met.masked_fill_(own[:, None], 0.0)
    for place in range(count):
        lost = along[:, place, None].clamp(max=0)
        along[:, place + 1 :].addcmul_(lost, met[:, place, place + 1 :], value=-1)
    weights = torch.eye(count, dtype=gramian.dtype)
    return weights.scatter_add_(1, order, -along.clamp(max=0))
