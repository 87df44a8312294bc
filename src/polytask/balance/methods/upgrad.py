"""Unconflicting projection of gradients."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.solvers import project

__all__ = ["UPGrad"]


@dataclass(kw_only=True, eq=False)
class UPGrad(GramianWeighting):
    """Moves each gradient to the nearest vector that hurts no task, and averages these.

    With the dual cone ``{d: <d, g_j> >= 0 for all j}``, the update is the mean of the gradients'
    projections onto it, so it lies in it: to first order no loss rises.

    Source: Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024, section 2.2.
    The authors' code adds a small multiple of the unit matrix to the Gramian, so that tasks with
    gradients much shorter than others' are hurt; here the projections are exact. With
    ``priorities`` the mean is weighted.
    """

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        return project(gramian, self.shares(losses).diag()).sum(0)
