"""The geometric mean of the losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext
from polytask.balance.task_values import not_negative, reciprocal

__all__ = ["GeometricMean"]


@dataclass(kw_only=True, eq=False)
class GeometricMean(LossWeighting):
    """Minimises the geometric mean of the losses, whatever their scales are.

    The total is ``G = exp(mean_k log L_k)``; the weights are its derivatives ``G / (K L_k)``.

    A task whose loss is 0 has no gradient and is left out: its weight is 0 and it does not count
    in the mean, which it would otherwise hold at 0 for all others.

    Source: Chennupati and others, "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss
    Strategy for Multi-Task Learning", 2019 (GLS). Known code takes the K-th root of the product of
    the losses, which overflows with many tasks.

    Raises:
        InputError: a negative loss.
    """

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        values = not_negative(losses, method="GeometricMean")
        there = values > 0
        if not there.any():
            return there.double()
        mean = values[there].log().mean().exp()
        return mean / there.sum() * reciprocal(values)
