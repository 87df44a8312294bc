"""Dual balancing of losses and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.balance.balancer import GradientAggregator, Losses, all_finite
from polytask.balance.task_state import TaskState
from polytask.balance.task_values import not_negative, reciprocal
from polytask.balance.task_vectors import TaskVectors
from polytask.errors import InputError

__all__ = ["DBMTL"]


@dataclass(kw_only=True, eq=False)
class DBMTL(GradientAggregator):
    """Takes logarithms of the losses and makes all averaged gradients as long as the longest.

    With the gradients of the logarithms ``h_k = g_k / L_k`` and their moving averages from 0 on,
    ``y_k <- b_t y_k + (1 - b_t) h_k`` with ``b_t = momentum / t^momentum_decay``, the update is
    ``sum_k y_k max_j |y_j| / |y_k|``. The parameters of one task get the gradient of the logarithm
    of its loss. A task whose loss is 0 has no gradient.

    It keeps P numbers per task, and needs ``cost="exact"``.

    Source: Lin et al., "Dual-Balancing for Multi-Task Learning", 2023, algorithm 1; the defaults
    are those of LibMTL. The authors' code adds 1e-8 to losses and lengths. With ``priorities`` the
    lengths are in proportion to them.

    Args:
        momentum: from 0 to below 1; 0 keeps nothing of earlier gradients.
        momentum_decay: the power of t by which it falls, not negative.

    Raises:
        InputError: an option out of range, or, in a step, a negative loss.
    """

    momentum: float = 0.9
    momentum_decay: float = 0.0
    averages: TaskVectors = field(init=False, repr=False)
    """Task -> y."""
    slopes: TaskState = field(init=False, repr=False)
    """Task -> 1 / L of its last step."""

    follows = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.momentum < 1 and self.momentum_decay >= 0):
            raise InputError(
                "db_mtl: momentum must be from 0 to below 1 and momentum_decay not negative, got "
                f"{self.momentum} and {self.momentum_decay}"
            )
        self.averages, self.slopes = TaskVectors(), TaskState()

    def aggregate(self, gradients: Tensor, losses: Losses) -> Tensor:
        names, time = tuple(losses), int(self.steps) - self.warm_up + 1
        slopes = reciprocal(not_negative(losses, method="db_mtl"))
        gradients *= slopes.to(gradients)[:, None]
        if not all_finite(self.lengths(gradients)):
            return torch.full_like(gradients[0], torch.nan)
        self.slopes.put(names, slopes)
        part = 1 - self.momentum / time**self.momentum_decay
        for name, row in zip(names, gradients, strict=True):
            row.copy_(self.averages.of(name, row).lerp_(row, part))
        lengths = self.lengths(gradients)
        factors = len(names) * self.shares(losses) * lengths.max() * reciprocal(lengths)
        return factors.to(gradients) @ gradients

    def own_weights(self, names: Sequence[str], weights: Tensor | None) -> Tensor | None:
        if self.task_gradients or len(names) == 1:
            return super().own_weights(names, weights)
        return self.slopes.get(names, 1.0)
