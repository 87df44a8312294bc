"""The sum of the logarithms of the losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext
from polytask.balance.task_values import not_negative, reciprocal

__all__ = ["ScaleInvariant"]


@dataclass(kw_only=True, eq=False)
class ScaleInvariant(LossWeighting):
    """Minimises the sum of the logarithms of the losses, whatever their scales are.

    The total is ``sum_k log L_k``; the weights are its derivatives ``1 / L_k``. A task whose loss
    is 0 has no gradient; its weight is 0.

    Source: the baseline of that name in Navon and others, "Multi-Task Learning as a Bargaining
    Game", 2022.

    Raises:
        InputError: a negative loss.
    """

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        return reciprocal(not_negative(losses, method="ScaleInvariant"))
