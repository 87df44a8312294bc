"""Metrics of numbers, computed from moments; the mean over dimensions for vectors.

Shapes: N examples, D dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from polytask.tasks.metrics.base import AdditiveMetric, Evidence
from polytask.tasks.metrics.moments import Moments, moment_statistics
from polytask.tasks.metrics.quotients import mean_of_defined, ratio

__all__ = [
    "CCC",
    "MAE",
    "R2",
    "RMSE",
    "ExplainedVariance",
    "Pearson",
]


class _MomentMetric(AdditiveMetric):
    """A function of the moments of each dimension.

    A dimension where it is not defined does not count.
    """

    def statistics(self, evidence: Evidence) -> np.ndarray:
        return moment_statistics(evidence)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        moments = np.moveaxis(sums.reshape(*sums.shape[:-1], 9, -1), -2, 0)
        values = self.of_moments(Moments(*ratio(moments[1:], moments[0])))
        return mean_of_defined(values, axis=-1)

    @abstractmethod
    def of_moments(self, m: Moments) -> np.ndarray:
        """The metric of each dimension ``[..., D]``; NaN where it is not defined."""


class RMSE(_MomentMetric):
    """Root of the mean squared error, in the target's unit."""

    higher_is_better: ClassVar[bool] = False
    worst: ClassVar[float | None] = None
    best: ClassVar[float] = 0.0

    def of_moments(self, m: Moments) -> np.ndarray:
        root: np.ndarray = np.sqrt(m.dd)
        return root


class MAE(_MomentMetric):
    """Mean absolute error, in the target's unit."""

    higher_is_better: ClassVar[bool] = False
    worst: ClassVar[float | None] = None
    best: ClassVar[float] = 0.0

    def of_moments(self, m: Moments) -> np.ndarray:
        return m.distance


class R2(_MomentMetric):
    """Coefficient of determination: 1 - squared error / variance of the targets.

    NaN where the targets are constant.
    """

    def of_moments(self, m: Moments) -> np.ndarray:
        return 1 - ratio(m.dd, m.variance_t)


class ExplainedVariance(_MomentMetric):
    """1 - variance of the residuals / variance of the targets; a constant bias is not counted.

    NaN where the targets are constant.
    """

    def of_moments(self, m: Moments) -> np.ndarray:
        return 1 - ratio(m.variance_d, m.variance_t)


class Pearson(_MomentMetric):
    """Linear correlation of predictions and targets; NaN where one of them is constant."""

    def of_moments(self, m: Moments) -> np.ndarray:
        spread = np.sqrt(m.variance_p) * np.sqrt(m.variance_t)
        correlation: np.ndarray = np.clip(ratio(m.covariance, spread), -1.0, 1.0)
        return correlation


class CCC(_MomentMetric):
    """Concordance correlation coefficient; NaN where both sides are one and the same constant.

    2 cov(p, t) / (var(p) + var(t) + (mean(p) - mean(t))^2).
    Source: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.
    """

    def of_moments(self, m: Moments) -> np.ndarray:
        return ratio(2 * m.covariance, m.variance_p + m.variance_t + m.d**2)
