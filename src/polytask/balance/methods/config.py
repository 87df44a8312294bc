"""Conflict-free inverse gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.cosines import equal_projections, normalised

__all__ = ["ConFIG"]


@dataclass(kw_only=True, eq=False)
class ConFIG(GramianWeighting):
    """Goes where all gradients have the same cosine, as far as they reach together.

    With unit gradients ``u_k`` as rows of U: the direction is ``v = U^+ 1``, and the length is the
    sum of the gradients' projections onto it, ``sum_k <g_k, v> / |v|``. Where opposite gradients
    leave no such direction, all weights are 0.

    Source: Liu, Chu and Thuerey, "ConFIG: Towards Conflict-free Training of Physics Informed Neural
    Networks", 2025, equations 2 and 3. With ``priorities`` the cosines are in proportion to them.
    """

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        return conflict_free(gramian, self.shares(losses))


def conflict_free(gramian: Tensor, shares: Tensor) -> Tensor:
    """``[K]`` weights of the update whose cosines with the gradients are like the shares.

    Args:
        gramian: ``[K, K]``.
        shares: ``[K]``.
    """
    found = equal_projections(gramian, shares)
    norms, cosines = normalised(gramian)
    units = found * norms
    projections = cosines @ units
    square = units @ projections
    if not square > 0:
        return torch.zeros_like(found)
    return found * (norms @ projections) / square
