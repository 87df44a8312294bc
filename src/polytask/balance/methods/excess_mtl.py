"""Weights from excess risks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.balance.balancer import GradientAggregator, Losses, all_finite
from polytask.balance.task_state import TaskState
from polytask.balance.task_vectors import TaskVectors
from polytask.errors import InputError

__all__ = ["ExcessMTL"]


@dataclass(kw_only=True, eq=False)
class ExcessMTL(GradientAggregator):
    """Shifts weight to the tasks that are furthest from the best that they can reach.

    How far a loss is above its minimum is estimated from the gradient and the diagonal curvature of
    AdaGrad, ``E_k = sum_i g_ki^2 / sqrt(S_ki)`` with S the sum of the squares of g so far, and is
    taken relative to its mean over the task's first steps with a gradient. After each step, the
    weights are multiplied by ``exp(step_size E_k / E_k(0))`` and divided by their sum; they are 1/K
    at first. The update is ``sum_k w_k g_k``. A noisy task, whose loss is high but as low as it can
    be, gains nothing. With tasks absent, the others keep the weight that they had together.

    It keeps P numbers per task, and needs ``cost="exact"``.

    Source: He et al., "Robust Multi-Task Learning with Excess Risks", 2024, equations 6, 7 and 9.
    The authors' code lets the weights add up to K and adds 1e-7 to S. It takes ``E_k(0)`` from one
    step, the paper from three epochs: ``period``. With ``priorities`` the first weights are in
    proportion to them.

    Args:
        step_size: of the weights, positive.
        period: number of first steps of a task, at least 1, over which ``E_k(0)`` is averaged, and
            in which its excess counts as 1.

    Raises:
        InputError: a step size that is not positive, or a period below 1.
    """

    step_size: float = 0.01
    period: int = 1
    squares: TaskVectors = field(init=False, repr=False)
    """Task -> S."""
    initial: TaskState = field(init=False, repr=False)
    """Task -> sum of E over its period, and the number of steps in it."""
    logarithms: TaskState = field(init=False, repr=False)
    """Task -> log of its weight without priorities, up to a constant."""

    paper_task_gradients = "weighted"
    follows = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.step_size > 0 or self.period < 1:
            raise InputError(
                f"excess_mtl: step_size must be positive and period at least 1, got "
                f"{self.step_size} and {self.period}"
            )
        self.squares, self.initial, self.logarithms = TaskVectors(), TaskState(), TaskState()

    def aggregate(self, gradients: Tensor, losses: Losses) -> Tensor:
        if not all_finite(self.lengths(gradients)):
            return torch.full_like(gradients[0], torch.nan)
        names = tuple(losses)
        pairs = zip(names, gradients, strict=True)
        found = self.over_shards(torch.stack([self._excess(*pair) for pair in pairs]).cpu())
        excess = self._relative(names, found)
        before = self.logarithms.get(names, 0.0)
        moved = before.log_softmax(0) + self.step_size * excess
        self.logarithms.put(names, moved.log_softmax(0) + before.logsumexp(0))
        return self._weights(names).to(gradients) @ gradients

    def _excess(self, name: str, gradient: Tensor) -> Tensor:
        """E, after the gradient joined S."""
        squares = self.squares.of(name, gradient).addcmul_(gradient, gradient)
        parts = gradient.square().div_(squares.sqrt())
        return parts.nan_to_num_(0.0).sum(dtype=torch.float64)  # 0 / 0 where nothing was ever seen

    def _relative(self, names: Sequence[str], excess: Tensor) -> Tensor:
        """``[K]`` E relative to its mean over the period, and 1 in the period."""
        sums = self.initial.get(names, torch.zeros(2))
        joins = (sums[:, 1] < self.period) & (excess > 0)
        sums = sums + joins[:, None] * torch.stack([excess, torch.ones_like(excess)], dim=1)
        self.initial.put(names, sums)
        begun = (sums[:, 1] == self.period) & ~joins
        return torch.where(begun, excess * sums[:, 1] / sums[:, 0], 1.0)

    def _weights(self, names: Sequence[str]) -> Tensor:
        """``[K]`` shares of the tasks in a step."""
        shares = self.shares(dict.fromkeys(names, torch.ones(())))
        return (self.logarithms.get(names, 0.0) + shares.log()).softmax(0)

    def own_weights(self, names: Sequence[str], weights: Tensor | None) -> Tensor | None:
        if not self.weighs_tasks or len(names) == 1 or not self.logarithms.values:
            return weights
        return self._weights(names)
