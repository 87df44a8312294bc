"""Shares that a balancer moves step by step.

Shapes: K tasks of a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.balance.task_state import TaskState

__all__ = ["TaskShares"]


class TaskShares(TaskState):
    """Task -> share, equal at first; those of absent tasks stand still.

    What is kept is proportional to the share: the tasks of a step have, together, what they had.

    Example:
        >>> shares = TaskShares()
        >>> shares.put(["a", "b"], torch.tensor([0.9, 0.1]))
        >>> shares.get(["a", "b", "c"]).tolist()
        [0.6, 0.06666666666666667, 0.3333333333333333]
    """

    def get(self, names: Sequence[str], default: float | Tensor = 1.0) -> Tensor:
        """``[K]`` the shares of these tasks, which add up to 1."""
        kept = super().get(names, default)
        total = kept.sum()
        return kept / total if total else torch.full_like(kept, 1 / len(kept))

    def put(self, names: Sequence[str], values: Tensor) -> None:
        """Remember ``values [K]``, the shares of these tasks."""
        total = super().get(names, 1.0).sum()
        super().put(names, values * (total or 1.0))
