"""The shares that are nearest to given numbers."""

from __future__ import annotations

import numpy as np

__all__ = ["onto_simplex"]


def onto_simplex(values: np.ndarray) -> np.ndarray:
    """``[K]`` the point of the simplex that is nearest to ``values [K]``.

    It is ``max(values - t, 0)`` with the t that makes its sum 1, which lies between two of the
    sorted values.

    Source: Held, Wolfe and Crowder, "Validation of subgradient optimization", 1974.
    """
    numbers = sorted(values.tolist(), reverse=True)
    largest, total, level = numbers[0], 0.0, 0.0
    for count, number in enumerate(numbers, start=1):
        above = number - largest  # changes nothing, but keeps the 1 of the sum visible
        found = (total + above - 1) / count
        if above <= found:
            break
        total, level = total + above, found
    nearest = np.maximum(values - largest - level, 0)
    return np.asarray(nearest / nearest.sum())
