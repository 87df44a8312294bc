"""Weighted moments of predictions and targets, from which metrics of numbers are computed.

Shapes: N examples, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polytask.tasks.metrics.base import Evidence

__all__ = ["Moments", "columns", "moment_statistics"]

ROUNDING = 1e-12
"""A variance below this share of the second moment is rounding error: the values are constant."""


@dataclass(frozen=True)
class Moments:
    """Means ``[..., D]`` over the weighted examples.

    Args:
        p: of predictions, centred at their mean over all examples.
        t: of targets, centred at their mean over all examples.
        d: of the difference prediction - target.
        pp: of squared centred predictions.
        tt: of squared centred targets.
        dd: of squared differences.
        pt: of products of centred predictions and targets.
        distance: of absolute differences.
    """

    p: np.ndarray
    t: np.ndarray
    d: np.ndarray
    pp: np.ndarray
    tt: np.ndarray
    dd: np.ndarray
    pt: np.ndarray
    distance: np.ndarray

    @property
    def variance_p(self) -> np.ndarray:
        """Variance of the predictions; exactly 0 where they are constant."""
        return _variance(self.pp, self.p)

    @property
    def variance_t(self) -> np.ndarray:
        """Variance of the targets; exactly 0 where they are constant."""
        return _variance(self.tt, self.t)

    @property
    def variance_d(self) -> np.ndarray:
        """Variance of the differences; exactly 0 where they are constant."""
        return _variance(self.dd, self.d)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of predictions and targets."""
        covariance: np.ndarray = self.pt - self.p * self.t
        return covariance


def _variance(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    variance = second - first**2
    return np.where(variance > ROUNDING * second, variance, 0.0)


def columns(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, targets and mask as ``[N, D]`` in float64; 0 where masked."""
    mask = np.asarray(evidence.mask)
    mask = mask.reshape(len(mask), -1 if mask.size else 1)
    scores, targets = (
        np.where(mask, np.asarray(x, dtype=np.float64).reshape(mask.shape), 0.0)
        for x in (evidence.scores, evidence.targets)
    )
    return scores, targets, mask


def moment_statistics(evidence: Evidence) -> np.ndarray:
    """``[N, 9 D]``: weight, then the quantities of `Moments`, for each example."""
    scores, targets, mask = columns(evidence)
    d = scores - targets
    p, t = (_centred(x, mask) for x in (scores, targets))
    return np.concatenate([mask, p, t, d, p * p, t * t, d * d, p * t, np.abs(d)], axis=1)


def _centred(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    centre = values.sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    return np.where(mask, values - centre, 0.0)
