"""Weights of another method, smoothed over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

import torch
from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.task_state import TaskState
from polytask.errors import InputError

__all__ = ["CRMOGM"]


@dataclass(kw_only=True, eq=False)
class CRMOGM(GramianWeighting):
    """Lets the weights of another method change slowly, so that noisy gradients mislead them less.

    With v the weights that the method finds, ``w <- smoothing w + (1 - smoothing) v``; a task
    begins with its first v. The weights of a task move in steps that carry it.

    Source: Zhou et al., "On the Convergence of Stochastic Multi-Objective Gradient Manipulation and
    Beyond", 2022, as torchjd 0.18 has it. In the paper the smoothing may grow from step to step, as
    the learning rate falls; here it is fixed.

    Args:
        base: name of the method, one that weighs by the Gramian; the paper has ``mgda``,
            ``pcgrad`` and ``cagrad``.
        options: of that method. It gets the ``priorities`` and the ``seed`` of this one.
        smoothing: from 0 to below 1; 0 is the method itself.
        seed: of the draws of the method, if it draws.

    Raises:
        InputError: an unknown method or one that does not weigh by the Gramian, options or
            priorities that it refuses, or a smoothing out of range.
    """

    base: str = "mgda"
    options: Mapping[str, Any] | None = None
    smoothing: float = 0.9
    seed: int = 0
    method: GramianWeighting = field(init=False, repr=False)
    smoothed: TaskState = field(init=False, repr=False)
    """Task -> w."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.smoothing < 1:
            raise InputError(f"cr_mogm: smoothing must be from 0 to below 1, got {self.smoothing}")
        self.method, self.smoothed = self._base(), TaskState()
        self.paper_task_gradients = self.method.paper_task_gradients
        self.observes = self.method.observes

    def _base(self) -> GramianWeighting:
        from polytask.balance.methods import BALANCERS  # which imports this file

        cls = BALANCERS.get(self.base, where="cr_mogm")
        if not issubclass(cls, GramianWeighting):
            raise InputError(f"cr_mogm: {self.base!r} does not weigh by the Gramian")
        draws = any(option.name == "seed" for option in fields(cls))
        seed = {"seed": self.seed} if draws else {}
        given = {"type": self.base, "priorities": self.priorities, **seed, **(self.options or {})}
        return cast("GramianWeighting", BALANCERS.build(given, where="cr_mogm"))

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        names = tuple(losses)
        self.method.steps.copy_(self.steps)
        found = self.method.weights(gramian, losses)
        before = self.smoothed.get(names, torch.nan)
        smooth = torch.lerp(found, torch.where(before.isnan(), found, before), self.smoothing)
        self.smoothed.put(names, smooth)
        return smooth

    def observe(self, losses: Mapping[str, float]) -> None:
        self.method.observe(losses)

    def named_tasks(self) -> Mapping[str, Sequence[str]]:
        return self.method.named_tasks()

    def own_weights(self, names: Sequence[str], weights: Tensor | None) -> Tensor | None:
        if self.task_gradients:
            return super().own_weights(names, weights)
        return self.method.own_weights(names, weights)
