"""Projection of the mean gradient onto the dual cone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.solvers import project

__all__ = ["DualProj"]


@dataclass(kw_only=True, eq=False)
class DualProj(GramianWeighting):
    """Moves the mean gradient to the nearest vector that hurts no task.

    ``d`` minimises ``|d - mean_k g_k|`` subject to ``<d, g_j> >= 0`` for all tasks j.

    Source: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", 2017, equation
    11, as named and applied to the mean gradient of several tasks by Quinton and Rey, "Jacobian
    Descent for Multi-Objective Optimization", 2024. With ``priorities`` the mean is weighted.
    """

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        return project(gramian, self.shares(losses)[None])[0]
