"""The concordance correlation of a batch as a loss.

Shapes: R rows of a batch, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["concordance_loss"]


def concordance_loss(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """1 - CCC, the mean over dimensions that were measured.

    CCC = 2 cov(p, t) / (var(p) + var(t) + (mean(p) - mean(t))^2), with weighted moments.
    Source: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.

    Args:
        predicted: ``[R]`` or ``[R, D]``.
        target: the same shape.
        weights: the same shape; 0 where a target is missing.

    Returns:
        A scalar in [0, 2]; 0 where nothing was measured. A dimension measured once has CCC 0: its
        loss is 1 and its gradient 0.
    """
    total = weights.sum(dim=0)
    share = weights / _positive(total)
    predicted, target = (torch.where(weights > 0, x, 0.0) for x in (predicted, target))
    mean_p, mean_t = (share * predicted).sum(dim=0), (share * target).sum(dim=0)
    p, t = predicted - mean_p, target - mean_t
    covariance = (share * p * t).sum(dim=0)
    spread = (share * (p**2 + t**2)).sum(dim=0) + (mean_p - mean_t) ** 2
    measured = total > 0
    losses = torch.where(measured, 1 - 2 * covariance / _positive(spread), 0.0 * mean_p)
    return losses.sum() / measured.sum().clamp(min=1)


def _positive(values: Tensor) -> Tensor:
    return values.clamp(min=torch.finfo(values.dtype).tiny)
