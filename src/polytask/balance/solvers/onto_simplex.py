"""The shares that are nearest to given numbers."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["onto_simplex"]


def onto_simplex(values: Tensor) -> Tensor:
    """``[K]`` the point of the simplex that is nearest to ``values [K]``.

    It is ``max(values - t, 0)`` with the t that makes its sum 1, which lies between two of the
    sorted values.

    Source: Held, Wolfe and Crowder, "Validation of subgradient optimization", 1974.
    """
    values = values - values.max()  # changes nothing, but keeps the 1 of the sum visible
    largest = values.sort(descending=True).values
    counts = torch.arange(1, len(values) + 1, dtype=values.dtype, device=values.device)
    levels = (largest.cumsum(0) - 1) / counts
    last = int((largest > levels).sum()) - 1  # the first is always above its level
    found: Tensor = (values - levels[max(last, 0)]).clamp(min=0)
    return found / found.sum()
