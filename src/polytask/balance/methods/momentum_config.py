"""Conflict-free inverse gradients of moving averages.

Shapes: K tasks of a step, N tasks that were ever seen, P numbers of a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.balance.balancer import GradientAggregator, Losses, all_finite
from polytask.balance.methods.config import conflict_free
from polytask.balance.task_state import TaskState
from polytask.balance.task_vectors import TaskVectors
from polytask.errors import InputError

__all__ = ["MomentumConFIG"]

LAST, SQUARE = "update before", "mean square"
"""What is kept of the update as a whole."""


@dataclass(kw_only=True, eq=False)
class MomentumConFIG(GradientAggregator):
    """`ConFIG` of the moving averages of the gradients, with step sizes like Adam's.

    The averages m of all tasks ever seen take part, so a step may carry some of the tasks, or one
    in turn, which costs one backward pass. With d what ConFIG makes of them, t the number of the
    update, and ``M_t = (1 - beta^t) d_t``, the gradient whose average would be d is
    ``(M_t - beta M_(t-1)) / (1 - beta)``. The update is d divided by the root of the moving average
    of the squares of this gradient. Averages are corrected for their start at 0.

    It takes the place of Adam: use SGD without momentum. It keeps ``N + 2`` times P numbers, and
    needs ``cost="exact"``.

    Source: Liu, Chu and Thuerey, "ConFIG: Towards Conflict-free Training of Physics Informed Neural
    Networks", 2025, its M-ConFIG. The authors' code adds 1e-8 to the root; it does not move until
    each task was met, where this begins with the tasks that it knows. With ``priorities`` the
    cosines are in proportion to them.

    Args:
        beta: decay of the averages of the gradients, from 0 to below 1.
        beta_squares: decay of the average of squares, from 0 to below 1.

    Raises:
        InputError: a decay that is not from 0 to below 1.
    """

    beta: float = 0.9
    beta_squares: float = 0.999
    averages: TaskVectors = field(init=False, repr=False)
    """Task -> m."""
    counts: TaskState = field(init=False, repr=False)
    """Task -> number of its steps."""
    updates: Tensor = field(init=False, repr=False)
    """t."""
    whole_update: TaskVectors = field(init=False, repr=False)
    """d of the update before, and the average of squares."""

    follows = True
    alone = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.beta < 1 and 0 <= self.beta_squares < 1):
            raise InputError(
                "momentum_config: decays must be from 0 to below 1, got "
                f"{self.beta} and {self.beta_squares}"
            )
        self.averages, self.counts, self.whole_update = TaskVectors(), TaskState(), TaskVectors()
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def aggregate(self, gradients: Tensor, losses: Losses) -> Tensor:
        if not all_finite(self.lengths(gradients)):
            return torch.full_like(gradients[0], torch.nan)
        names = tuple(losses)
        counts = self.counts.get(names, 0.0) + 1
        self.counts.put(names, counts)
        parts = (1 - self.beta) / (1 - self.beta**counts)
        for name, row, part in zip(names, gradients, parts.tolist(), strict=True):
            self.averages.of(name, row).lerp_(row, part)
        known = sorted(self.averages.values)
        if len(known) == 1:
            return gradients[0]
        rows = torch.stack([self.averages.of(name, gradients[0]) for name in known])
        shares = self.shares(dict.fromkeys(known, torch.ones(())))
        weights = conflict_free(self.gramian(rows), shares)
        return self._scaled(weights.to(rows) @ rows)

    def _scaled(self, direction: Tensor) -> Tensor:
        """``[P]`` the update, of d."""
        time = int(self.updates) + 1
        last, square = (self.whole_update.of(key, direction) for key in (LAST, SQUARE))
        fake = (1 - self.beta**time) * direction - self.beta * (1 - self.beta ** (time - 1)) * last
        fake.div_(1 - self.beta).square_()
        if self.over_shards(torch.tensor(float(not all_finite(fake)))):
            return torch.full_like(direction, torch.nan)
        square.lerp_(fake, (1 - self.beta_squares) / (1 - self.beta_squares**time))
        last.copy_(direction)
        self.updates += 1
        return torch.where(square > 0, direction / square.sqrt(), 0.0)
