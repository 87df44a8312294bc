"""Performance-informed variance reduction of gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.solvers import nash
from polytask.balance.task_state import TaskState
from polytask.balance.task_values import check_numbers, check_observed
from polytask.errors import InputError, unknown

__all__ = ["PIVRG"]


@dataclass(kw_only=True, eq=False)
class PIVRG(GramianWeighting):
    """Helps the tasks that are worst off beside a model of their own.

    The deficit of a task is how many per cent its validation loss is above that of its single-task
    model. Its need p is K times the softmax of ``deficit / T`` over the tasks, with the T at which
    the largest p is ``bound`` times the smallest, but at least ``least_temperature``. Then
    ``d = sum_k a_k g_k`` with the positive a that solves ``G a = sqrt(p / a)`` for the Gramian G.
    Until `observe` is told of validation losses, all p are 1.

    Source: Qin et al., "Revisiting Fairness in Multitask Learning: A Performance-Driven Approach
    for Variance Reduction", 2025, as in the authors' code, which takes the task's metrics where
    this takes its loss, multiplies d by K and clips it to a length of 1.

    Args:
        baselines: task -> validation loss of its single-task model, positive.
        bound: largest ratio of two p, above 1.
        least_temperature: of the softmax, in per cent, positive.

    Raises:
        InputError: an option out of range, priorities, which p takes the place of, or an observed
            task without a baseline or with a loss that is negative or not finite.
    """

    baselines: Mapping[str, float]
    bound: float = 2.0
    least_temperature: float = 10.0
    deficits: TaskState = field(init=False, repr=False)
    """Task -> per cent."""

    observes = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers("baselines", self.baselines, least="above zero")
        if not (1 < self.bound < math.inf and 0 < self.least_temperature < math.inf):
            raise InputError(
                "pivrg: bound must be above 1 and least_temperature positive, got "
                f"{self.bound} and {self.least_temperature}"
            )
        if self.priorities:
            raise InputError("pivrg: it finds out which tasks need most; leave priorities out")
        self.deficits = TaskState()

    def observe(self, losses: Mapping[str, float]) -> None:
        """Take note of validation losses, task -> mean loss."""
        for name in losses:
            if name not in self.baselines:
                raise unknown("task", name, self.baselines, where="pivrg: baselines")
        values = check_observed(losses, method="pivrg")
        if len(values):
            single = torch.tensor([self.baselines[n] for n in losses], dtype=torch.float64)
            self.deficits.put(tuple(losses), 100 * (values / single - 1))

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        return nash(gramian, 0.5, self._needs(self.deficits.get(tuple(losses), 0.0)))

    def _needs(self, deficits: Tensor) -> Tensor:
        """``[K]`` p."""
        spread = float(deficits.max() - deficits.min())
        temperature = max(spread / math.log(self.bound), self.least_temperature)
        return len(deficits) * torch.softmax(deficits / temperature, dim=0)
