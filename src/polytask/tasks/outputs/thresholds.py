"""Ordered classes as binary problems: is the class above threshold k?

Shapes: R rows, C classes, T = C - 1 thresholds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "SharedWeightLinear",
    "class_probabilities",
    "conditional_losses",
    "cumulative_losses",
]


class SharedWeightLinear(nn.Module):
    """T outputs w x + b_k with one weight vector w, the layer of CORAL.

    Biases start evenly spaced from 1 down to 1 / T, in the order of the thresholds, as in the
    authors' package coral-pytorch.
    Source: Cao et al., "Rank consistent ordinal regression for neural networks", 2020.

    Args:
        width: length of the features.
        thresholds: T.
    """

    def __init__(self, width: int, thresholds: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, 1, bias=False)
        self.bias = nn.Parameter(torch.arange(thresholds, 0, -1) / thresholds)

    def forward(self, features: Tensor) -> Tensor:
        """``[..., width] -> [..., T]``."""
        logits: Tensor = self.weight(features) + self.bias
        return logits


def cumulative_losses(output: Tensor, target: Tensor) -> Tensor:
    """Sum over k of the cross-entropy of P(y > k) = sigmoid(output_k): ``[R, T], [R] -> [R]``."""
    return _binary(output, _above(output, target)).sum(dim=-1)


def conditional_losses(output: Tensor, target: Tensor) -> Tensor:
    """Mean over k <= y of the cross-entropy of P(y > k | y > k - 1): ``[R, T], [R] -> [R]``."""
    asked = torch.arange(output.shape[-1], device=target.device) <= target[..., None]
    losses = _binary(output, _above(output, target)) * asked
    return losses.sum(dim=-1) / asked.sum(dim=-1)


def class_probabilities(above: Tensor) -> Tensor:
    """P(y > k) ``[..., T]`` to P(y = c) ``[..., C]``; thresholds out of order are made equal."""
    above = above.cummin(dim=-1).values
    return F.pad(above, (1, 0), value=1.0) - F.pad(above, (0, 1))


def _above(output: Tensor, target: Tensor) -> Tensor:
    return (target[..., None] > torch.arange(output.shape[-1], device=target.device)).to(output)


def _binary(output: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, truth, reduction="none")
