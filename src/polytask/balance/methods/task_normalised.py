"""What the mean of a step is taken over: tokens, examples or tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext
from polytask.errors import InputError, unknown

__all__ = ["TaskNormalised"]


@dataclass(kw_only=True, eq=False)
class TaskNormalised(LossWeighting):
    """Takes the mean of a step over its tokens, its examples or its tasks.

    - ``tokens``: ``w_k`` is the task's share of the tokens that have a target. Of losses that are
      means over tokens this makes the mean over all tokens.
    - ``examples``: ``w_k`` is the task's share of the examples. Of losses that are means over
      examples this makes the mean over all examples.
    - ``tasks``: ``w_k = 1 / K``, so that a task with many or long examples has no more say.

    Source: Liu and others, "MFTCoder: Boosting Code LLMs with Multitask Fine-Tuning", 2023, and its
    released code, whose cases 1 and 2 are ``tokens`` and ``examples``. Its cases 3 and 4 are both
    ``tasks``, of losses that are means over tokens or over examples: which of the two is decided
    where the loss is made.

    Args:
        mean_over: one of these.

    Raises:
        InputError: an unknown choice, or the context of a task does not tell the number.
    """

    mean_over: Literal["tokens", "examples", "tasks"] = "tasks"

    def __post_init__(self) -> None:
        super().__post_init__()
        choices = ("tokens", "examples", "tasks")
        if self.mean_over not in choices:
            raise unknown("mean_over", self.mean_over, choices, where="TaskNormalised")

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        counts = torch.tensor([self._count(name, context) for name in losses], dtype=torch.float64)
        return counts / counts.sum()

    def _count(self, name: str, context: Mapping[str, TaskContext]) -> int:
        if self.mean_over == "tasks":
            return 1
        known = context.get(name, TaskContext())
        count = known.tokens if self.mean_over == "tokens" else known.examples
        if count is None or count < 1:
            raise InputError(
                f"TaskNormalised: {name!r} needs its number of {self.mean_over}, at least 1, in "
                f"the context: {{{name!r}: TaskContext({self.mean_over}=...)}}"
            )
        return count
