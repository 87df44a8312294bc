"""Balance of the neural tangent kernels of the tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.task_values import reciprocal
from polytask.errors import InputError

__all__ = ["NTKMTL"]


@dataclass(kw_only=True, eq=False)
class NTKMTL(GramianWeighting):
    """Makes tasks whose loss would converge slowly count more, by their neural tangent kernels.

    The kernel of a task, for the mean loss of its batch, is the squared length of its gradient,
    ``lambda_k = |g_k|^2``: how fast a small step lowers the loss. The weights are
    ``(sum_j lambda_j / lambda_k)^exponent``; with the exponent 1/2, all gradients become equally
    long. A gradient that is zero gets weight 0.

    Source: Qin et al., "NTKMTL: Mitigating Task Imbalance in Multi-Task Learning from Neural
    Tangent Kernel Perspective", 2025, with n = 1, as in its experiments: for n > 1 the batch is cut
    into n parts and lambda is the largest eigenvalue of the n x n inner products of their
    gradients, which is left out. Its NTKMTL-SR is ``cost="features"`` with
    ``task_gradients="weighted"``: the kernels are those of the shared features; the authors' code
    takes n = 4 there, which makes lambda the largest squared length of four parts. With
    ``priorities`` the weights are multiplied by them, relative to their mean.

    Args:
        exponent: of the ratio, not negative; 1/2 in the paper, the authors suggest up to 3/4.

    Raises:
        InputError: an exponent that is negative or not finite.
    """

    exponent: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.exponent) and self.exponent >= 0):
            raise InputError(
                f"ntkmtl: exponent must be finite and not negative, got {self.exponent}"
            )

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        kernels = gramian.diagonal().clamp(min=0)
        ratios = kernels.sum() * reciprocal(kernels)
        importance = len(losses) * self.shares(losses) * (kernels > 0)
        return importance * ratios**self.exponent
