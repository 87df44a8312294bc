"""Keeping elements by their magnitude."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import hardshrink

__all__ = ["at_least", "at_most", "count_of"]


def count_of(share: float, length: int) -> int:
    """How many elements a share is: rounded down, at least one."""
    return max(1, int(share * length))


def at_least(values: Tensor, least: float) -> Tensor:
    """The values whose magnitude is at least a number, which one of them has; others become 0."""
    if least == 0:
        return values
    number = np.float32 if values.dtype == torch.float32 else np.float64
    return hardshrink(values, float(np.nextafter(number(least), number(0))))


def at_most(values: Tensor, most: float) -> Tensor:
    """The values whose magnitude is at most a number; others become 0."""
    return values - hardshrink(values, most)
