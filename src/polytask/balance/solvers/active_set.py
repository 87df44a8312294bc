"""The step of an active-set method: as far as no coordinate becomes negative.

Shapes: A coordinates, ... problems side by side.
"""

from __future__ import annotations

import numpy as np

__all__ = ["REFINEMENTS", "ROUNDS", "advance"]

REFINEMENTS = 3
"""Most times that the same equations are solved again to take back what the ridge changed."""
ROUNDS = 5
"""Most rounds per coordinate: far more than the one or two that are usual."""


def advance(
    x: np.ndarray, step: np.ndarray, free: np.ndarray, *, cut: np.ndarray | bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Goes along a step until a free coordinate reaches 0.

    Args:
        x: ``[..., A]``, not negative.
        step: ``[..., A]``, 0 where not free.
        free: ``[..., A]``, which coordinates may move.
        cut: ``[..., 1]``, take the whole step and set to 0 what is negative then.

    Returns:
        The new x, and which free coordinates are at 0 now, to be held there.
    """
    end = x + step
    held = free & (end <= 0)
    if not held.any():
        return end, held
    reach = np.divide(x, -step, out=np.zeros_like(x), where=step < 0)
    fraction = np.where(held & ~cut, reach, 1).min(axis=-1, keepdims=True)
    held &= reach <= fraction
    end = np.maximum(x + fraction * step, 0)
    end[held] = 0
    return end, held
