"""What weights add up to, where something is divided by it."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.errors import InputError
from polytask.merging.place import Place

__all__ = ["total_of"]

CANCELLED = 1e-9
"""Share of the sum of magnitudes, below which a sum is what rounding left of 0."""


def total_of(weights: Sequence[float], at: Place) -> float:
    """The sum of weights.

    Raises:
        InputError: it is 0, or no more than what rounding leaves of 0.
    """
    total = sum(weights)
    if abs(total) <= CANCELLED * sum(map(abs, weights)):
        raise InputError(f"weights: add up to 0 for tensor {at.tensor!r}: normalise=False?")
    return total
