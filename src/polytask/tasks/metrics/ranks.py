"""Metrics of ordered classes: the predicted rank is the median of the class probabilities.

A label that training does not have has no rank. It counts as the largest mistake that is possible:
every metric here takes it for the class that is farthest from the prediction.

Shapes: N examples, C classes.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polytask.tasks.metrics.base import AdditiveMetric, Evidence, Metric
from polytask.tasks.metrics.correlation import Spearman
from polytask.tasks.metrics.quotients import ratio
from polytask.tasks.metrics.regression import CCC

__all__ = [
    "QuadraticWeightedKappa",
    "RankAccuracy",
    "RankError",
    "RankSpearman",
    "median_rank",
]


def median_rank(scores: np.ndarray) -> np.ndarray:
    """The number of classes k with P(y > k) > 0.5: ``[N, C] -> [N]``."""
    above = 1 - np.cumsum(scores, axis=-1, dtype=np.float64)
    rank: np.ndarray = (above[..., :-1] > 0.5).sum(axis=-1)
    return rank


def _ranked(evidence: Evidence) -> Evidence:
    """The evidence with the predicted rank in place of class probabilities."""
    scores, targets = np.asarray(evidence.scores), np.asarray(evidence.targets)
    ranks, highest = median_rank(scores).astype(np.float64), scores.shape[-1] - 1
    farthest = np.where(2 * ranks > highest, 0, highest)
    known = np.where(targets > highest, farthest, targets)
    return Evidence(evidence.ids, ranks, known, evidence.mask)


class _MeanOverExamples(AdditiveMetric):
    """The mean of a function of the predicted and the true rank."""

    def statistics(self, evidence: Evidence) -> np.ndarray:
        ranked, mask = _ranked(evidence), np.asarray(evidence.mask)
        distance = np.abs(np.asarray(ranked.scores) - np.asarray(ranked.targets))
        return np.stack([np.where(mask, self.of_distance(distance), 0.0), mask], axis=1)

    def of_distance(self, distance: np.ndarray) -> np.ndarray:
        """``[N]`` distances in ranks -> ``[N]``."""
        return distance

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 1])


class RankError(_MeanOverExamples):
    """Mean absolute error in ranks."""

    higher_is_better: ClassVar[bool] = False
    worst: ClassVar[float | None] = None
    best: ClassVar[float] = 0.0


class RankAccuracy(_MeanOverExamples):
    """Share of examples whose class was predicted."""

    def of_distance(self, distance: np.ndarray) -> np.ndarray:
        right: np.ndarray = distance == 0
        return right


class RankSpearman(Metric):
    """Rank correlation of predicted and true classes."""

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        return Spearman().resampled(_ranked(evidence), counts)


class QuadraticWeightedKappa(Metric):
    """Cohen's kappa with quadratic weights; NaN where both sides are one and the same class.

    1 - sum_ij (i - j)^2 O_ij / sum_ij (i - j)^2 E_ij, which on ranks is exactly the concordance
    correlation coefficient.
    Source: Cohen, "Weighted kappa", 1968.
    """

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        return CCC().resampled(_ranked(evidence), counts)
