"""Gradient sign dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.balance.balancer import GradientAggregator, Losses
from polytask.errors import InputError

__all__ = ["GradDrop"]


@dataclass(kw_only=True, eq=False)
class GradDrop(GradientAggregator):
    """Lets each number of the update follow one sign: only the gradients that have it are added.

    The sign is drawn: it is positive with the probability ``P = sum_k max(g_k, 0) / sum_k |g_k|``,
    for each number by itself (under ``fully_shard`` all processes draw the same numbers). A leak
    l_k lets that share of a task's gradient through anyway:
    ``sum_k (l_k + (1 - l_k) M_k) g_k`` with M_k = 1 where g_k has the sign.

    Source: Chen et al., "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign
    Dropout", 2020, algorithm 1 with ``f(P) = P``. There the numbers are the channels of one layer's
    activations: each gradient is first multiplied by the sign of the activation and added up over
    the batch, so that all examples share one choice. Here the numbers are those of the shared
    parameters, whose gradients are such sums already, or with ``cost="features"`` those of the
    features of each example, each with a choice of its own. With ``priorities`` the gradients are
    scaled before.

    Args:
        leak: task -> l, from 0 to 1; 0 for a task that is not named.
        seed: of the random choices.

    Raises:
        InputError: a leak that is not between 0 and 1.
    """

    leak: Mapping[str, float] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (self.leak or {}).items():
            if not 0 <= value <= 1:
                raise InputError(f"grad_drop: leak of {name!r} must be from 0 to 1, got {value}")

    def aggregate(self, gradients: Tensor, losses: Losses) -> Tensor:
        if self.priorities:
            gradients *= len(losses) * self.shares(losses).to(gradients)[:, None]
        ups, downs = torch.zeros_like(gradients[0]), torch.zeros_like(gradients[0])
        for gradient in gradients:
            ups += gradient.clamp(min=0)
            downs += gradient.clamp(max=0)
        upwards = ups > self._draw(gradients) * (ups - downs)
        update, given = torch.zeros_like(ups), self.leak or {}
        for name, gradient in zip(losses, gradients, strict=True):
            leaked = given.get(name, 0.0) * gradient
            update += torch.where((gradient > 0) == upwards, gradient, leaked)
        return update

    def _draw(self, gradients: Tensor) -> Tensor:
        """``[P]`` uniform numbers, drawn on the device of the gradients."""
        seed = self.generator(self.seed).initial_seed()
        generator = torch.Generator(gradients.device).manual_seed(seed)
        size, device = gradients.shape[1], gradients.device
        return torch.rand(size, generator=generator, device=device, dtype=gradients.dtype)
