"""Division where the divisor may be zero: the result is NaN or a given value, without a warning."""

from __future__ import annotations

import numpy as np

__all__ = ["mean_of_defined", "ratio"]


def ratio(numerator: np.ndarray, denominator: np.ndarray, *, empty: float = np.nan) -> np.ndarray:
    """Their quotient; ``empty`` where the denominator is not positive."""
    positive = denominator > 0
    return np.where(positive, numerator / np.where(positive, denominator, 1.0), empty)


def mean_of_defined(values: np.ndarray, *, axis: int) -> np.ndarray:
    """The mean along an axis of what is not NaN; NaN where everything is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=axis), defined.sum(axis=axis))
