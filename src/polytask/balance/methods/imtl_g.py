"""Impartial multi-task learning, its gradient balance."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.cosines import equal_projections

__all__ = ["IMTLG"]


@dataclass(kw_only=True, eq=False)
class IMTLG(GramianWeighting):
    """Finds the update that is equally long along the direction of every gradient.

    With unit gradients ``u_k``: ``d = sum_k w_k g_k``, ``<d, u_1> = ... = <d, u_K>``, and the
    weights add up to 1. A weight may be negative. Where opposite gradients leave no such update but
    0, all weights are 0.

    Source: Liu et al., "Towards Impartial Multi-task Learning", 2021, section 3.1. There the
    gradients are linearly independent; for others, the shortest update is taken that is closest to
    equal projections. With ``priorities`` the projections are in proportion to them.
    """

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        return impartial(gramian, self.shares(losses))


def impartial(gramian: Tensor, shares: Tensor) -> Tensor:
    """``[K]`` weights that add up to 1 or are 0, of an update with projections like the shares.

    Args:
        gramian: ``[K, K]``.
        shares: ``[K]``.
    """
    found = equal_projections(gramian, shares)
    total = found.sum()
    return found / total if total else found
