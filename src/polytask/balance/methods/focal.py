"""Dynamic task prioritisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext
from polytask.balance.task_state import TaskState
from polytask.errors import InputError

__all__ = ["Focal"]

LOWEST = 1e-8
"""What a key performance indicator counts at least, so that its logarithm is finite."""


@dataclass(kw_only=True, eq=False)
class Focal(LossWeighting):
    """Gives more weight to tasks that are solved badly: the focal loss of a performance.

    ``w_k = -(1 - p_k)^gamma log p_k``, where p is the moving average of the task's key performance
    indicator, a number from 0 (not solved) to 1 (solved) such as the accuracy: ``performance`` in
    the context. For a classification without one it is ``exp(-L_k)``, the geometric mean of the
    probabilities that the model gives to the right classes. The weight of a solved task is 0.

    Source: Guo and others, "Dynamic Task Prioritization for Multitask Learning", 2018, the weights
    of the tasks. Known differences: the focal loss within a task is left to its loss; one gamma
    holds for all tasks; ``exp(-L)`` where no indicator is given is ours.

    Args:
        focus: gamma, not negative.
        smoothing: share of the newest indicator in the moving average, above 0 and at most 1.

    Raises:
        InputError: an option out of range; a performance that is not between 0 and 1; a task
            without one that is a regression or whose loss is negative.
    """

    focus: float = 1.0
    smoothing: float = 0.1
    performance: TaskState = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.focus < 0 or not 0 < self.smoothing <= 1:
            raise InputError(
                "focus must not be negative and smoothing be above 0 and at most 1, got "
                f"{self.focus} and {self.smoothing}"
            )
        self.performance = TaskState()

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        names = tuple(losses)
        found = [_indicator(name, losses[name], context.get(name, TaskContext())) for name in names]
        new = torch.stack(found)
        before = self.performance.get(names, torch.nan)
        average = torch.where(before.isnan(), new, torch.lerp(before, new, self.smoothing))
        self.performance.put(names, average)
        return (1 - average) ** self.focus * -average.clamp(min=LOWEST).log()


def _indicator(name: str, loss: Tensor, known: TaskContext) -> Tensor:
    """How well a task is solved, from 0 to 1."""
    if known.performance is not None:
        if not 0 <= known.performance <= 1:
            raise InputError(
                f"Focal: the performance of {name!r} must be from 0 to 1, got {known.performance}"
            )
        return torch.tensor(known.performance, dtype=torch.float64)
    if known.kind == "regression" or loss < 0:
        raise InputError(
            f"Focal: {name!r} is no classification with a loss of at least 0, so it needs a "
            f"performance in the context: {{{name!r}: TaskContext(performance=...)}}"
        )
    return torch.exp(-loss)
