"""Multi-objective gradient correction.

Shapes: K tasks of a step, P numbers of a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.balance.balancer import GradientAggregator, Losses, all_finite
from polytask.balance.solvers.onto_simplex import onto_simplex
from polytask.balance.task_shares import TaskShares
from polytask.balance.task_values import not_negative, reciprocal
from polytask.balance.task_vectors import TaskVectors
from polytask.errors import InputError

__all__ = ["MoCo"]


@dataclass(kw_only=True, eq=False)
class MoCo(GradientAggregator):
    """Looks for the shortest combination of the gradients step by step, with less of their noise.

    Each gradient is tracked, ``y_k <- y_k + b_t (g_k - y_k)`` from 0 on, and the shares take a
    projected gradient step, ``w <- projection of w - c_t (Y Y^T + ridge) w`` onto the simplex, from
    1/K on. The update is ``sum_k w_k y_k``. Both rates fall: ``b_t = tracking / t^tracking_decay``
    and ``c_t = step_size / t^step_size_decay``. Unlike the shares of `MGDA`, those of noisy
    gradients do not stay biased. With tasks absent, the others keep the weight that they had
    together. It keeps P numbers per task, and needs ``cost="exact"``.

    Source: Fernando et al., "Mitigating Gradient Bias in Multi-objective Learning: A Provably
    Convergent Approach", 2023, algorithm 1. There the gradients are tracked as they are and the
    step size must fit the square of their lengths: ``normalise`` off. A later form of the authors,
    which LibMTL has with these defaults, gives each gradient the length of its loss before, and
    takes a softmax where this and the paper project.

    Args:
        tracking: of the tracked gradients, above 0 and at most 1.
        tracking_decay: the power of t by which it falls, not negative.
        step_size: of the shares, positive.
        step_size_decay: the power of t by which it falls, not negative.
        ridge: rho of the paper, not negative; pulls the shares towards equal ones.
        normalise: give each gradient the length of its loss.

    Raises:
        InputError: an option out of range, priorities, which a shortest vector cannot follow, or,
            in a step with ``normalise``, a negative loss.
    """

    tracking: float = 0.5
    tracking_decay: float = 0.5
    step_size: float = 0.1
    step_size_decay: float = 0.5
    ridge: float = 0.0
    normalise: bool = True
    tracked: TaskVectors = field(init=False, repr=False)
    """Task -> y."""
    weight: TaskShares = field(init=False, repr=False)
    """Task -> w."""

    follows = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.tracking <= 1 and self.step_size > 0):
            raise InputError(
                "moco: tracking must be above 0 and at most 1 and step_size positive, got "
                f"{self.tracking} and {self.step_size}"
            )
        for option in ("tracking_decay", "step_size_decay", "ridge"):
            if not getattr(self, option) >= 0:
                value = getattr(self, option)
                raise InputError(f"moco: {option} must not be negative, got {value}")
        if self.priorities:
            raise InputError("moco: the shortest vector is one; leave priorities out")
        self.tracked, self.weight = TaskVectors(), TaskShares()

    def aggregate(self, gradients: Tensor, losses: Losses) -> Tensor:
        names, time = tuple(losses), int(self.steps) - self.warm_up + 1
        lengths = self.lengths(gradients)
        if self.normalise and all_finite(lengths):
            factors = not_negative(losses, method="moco") * reciprocal(lengths)
            gradients *= factors.to(gradients)[:, None]
            lengths = self.lengths(gradients)
        if not all_finite(lengths):
            return torch.full_like(gradients[0], torch.nan)
        part = self.tracking / time**self.tracking_decay
        for name, row in zip(names, gradients, strict=True):
            row.copy_(self.tracked.of(name, row).lerp_(row, part))
        shares = self._shares(names, self.gramian(gradients), time)
        return shares.to(gradients) @ gradients

    def _shares(self, names: Sequence[str], gramian: Tensor, time: int) -> Tensor:
        """``[K]`` the next shares, of the inner products of the tracked gradients."""
        shares = self.weight.get(names)
        slope = gramian @ shares + self.ridge * shares
        moved = shares - self.step_size / time**self.step_size_decay * slope
        shares = torch.from_numpy(onto_simplex(moved.numpy()))
        self.weight.put(names, shares)
        return shares
