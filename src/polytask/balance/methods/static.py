"""Weights that do not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext
from polytask.balance.task_values import check_numbers, numbers

__all__ = ["Static"]


@dataclass(kw_only=True, eq=False)
class Static(LossWeighting):
    """The sum of the losses with the weights that the user gives.

    Args:
        factors: task -> its weight, at least 0; 1 for a task that is not named.

    Raises:
        InputError: a weight that is negative or not finite.
    """

    factors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers("factors", self.factors, least="zero")

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        return numbers(self.factors, losses, 1.0)
