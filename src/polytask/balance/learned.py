"""Numbers per task that a balancer learns, with their optimiser.

Shapes: K tasks of a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from polytask.balance.task_state import TaskState

__all__ = ["Learned"]

DECAY, DECAY_SQUARED, EPSILON = 0.9, 0.999, 1e-8
"""Of the moments, and what keeps the division finite; Kingma and Ba 2015."""


class Learned(nn.Module):
    """One number per task and its Adam state; numbers of absent tasks stand still.

    Args:
        initial: the first value of each number.
        learning_rate: of Adam.
    """

    def __init__(self, initial: float, *, learning_rate: float) -> None:
        super().__init__()
        self.initial, self.learning_rate = initial, learning_rate
        self.values, self.mean, self.square, self.count = (TaskState() for _ in range(4))

    def get(self, names: Sequence[str]) -> Tensor:
        """``[K]`` the numbers of these tasks, float64."""
        return self.values.get(names, self.initial)

    def put(self, names: Sequence[str], values: Tensor) -> None:
        """Replace the numbers ``[K]`` of these tasks, as after a renormalisation."""
        self.values.put(names, values)

    def step(self, names: Sequence[str], gradient: Tensor) -> None:
        """One step of Adam down the ``gradient [K]`` of these tasks' numbers."""
        count = self.count.get(names, 0.0) + 1
        mean = torch.lerp(gradient, self.mean.get(names, 0.0), DECAY)
        square = torch.lerp(gradient.square(), self.square.get(names, 0.0), DECAY_SQUARED)
        first, second = mean / (1 - DECAY**count), square / (1 - DECAY_SQUARED**count)
        self.put(names, self.get(names) - self.learning_rate * first / (second.sqrt() + EPSILON))
        for state, values in ((self.count, count), (self.mean, mean), (self.square, square)):
            state.put(names, values)
