"""Fair resource allocation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.solvers import nash
from polytask.errors import InputError

__all__ = ["FairGrad"]


@dataclass(kw_only=True, eq=False)
class FairGrad(GramianWeighting):
    """Shares the decrease of the losses out as alpha-fairness does.

    ``d = sum_k a_k g_k`` with the positive a that solves ``G a = a^(-1 / alpha)`` for the Gramian
    G: of all updates of one length, it has the largest sum over the tasks of
    ``<g_k, d>^(1 - alpha) / (1 - alpha)``. With alpha 1 this is `NashMTL`; the larger alpha, the
    more the task with the smallest ``<g_k, d>`` counts. Between gradients that cancel each other,
    where there is no such a, d fades to 0.

    Source: Ban and Ji, "Fair Resource Allocation in Multi-Task Learning", 2024, algorithm 1. The
    authors' code multiplies d by K and clips it to a length of 1. With ``priorities`` p, relative
    to their mean, ``G a = (p / a)^(1 / alpha)``: the terms of the sum are weighted.

    Args:
        alpha: of the fairness, positive; 2 in the paper's experiments. Below 1/3, tasks whose
            gradients are a million times shorter than others' may get less than they should.

    Raises:
        InputError: alpha is not positive and finite.
    """

    alpha: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise InputError(f"fair_grad: alpha must be positive and finite, got {self.alpha}")

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        return nash(gramian, 1 / self.alpha, len(losses) * self.shares(losses))
