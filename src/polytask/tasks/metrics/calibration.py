"""How far predicted probabilities are from what happens.

Shapes: N examples, M targets, B bins, R resamplings.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polytask.tasks.metrics.base import AdditiveMetric, Evidence
from polytask.tasks.metrics.decisions import decide
from polytask.tasks.metrics.per_label import MeanOverLabels
from polytask.tasks.metrics.quotients import ratio

__all__ = ["CalibrationError", "LabelCalibrationError"]


class CalibrationError(AdditiveMetric):
    """Expected calibration error: sum over bins of |accuracy - confidence| times the bin's share.

    The confidence is the probability of the most probable class, the accuracy the share of targets
    that are this class. Bin m is ((m - 1) / bins, m / bins], as in the paper; torchmetrics closes
    bins on the left, which differs only exactly on an edge.
    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017 (15 bins of equal width).

    Args:
        bins: number of bins over [0, 1].
    """

    higher_is_better: ClassVar[bool] = False
    worst: ClassVar[float | None] = 1.0
    best: ClassVar[float] = 0.0

    def __init__(self, bins: int = 15) -> None:
        self.bins = bins

    def statistics(self, evidence: Evidence) -> np.ndarray:
        found = decide(evidence).measured()
        sums = np.zeros((len(evidence), self.bins + 1))
        surplus = _surplus(found.confidence, found.predicted == found.target, self.bins)
        np.add.at(sums, found.example, surplus)
        return sums

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return _error(sums)


class LabelCalibrationError(MeanOverLabels):
    """Expected calibration error of the probability that a label holds; the mean over labels.

    Per label the sum over bins of |share of examples where it holds - mean probability| times the
    bin's share. The bins are those of `CalibrationError`, but the probability is that of "yes" and
    reaches from 0 to 1. A label without targets does not count.

    Args:
        bins: number of bins over [0, 1].
    """

    higher_is_better: ClassVar[bool] = False
    worst: ClassVar[float | None] = 1.0
    best: ClassVar[float] = 0.0

    def __init__(self, bins: int = 15) -> None:
        self.bins = bins

    def kernel(self, scores: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return _error(counts @ _surplus(scores, truth, self.bins))


def _surplus(probability: np.ndarray, happened: np.ndarray, bins: int) -> np.ndarray:
    """``[M] -> [M, B + 1]``: probability minus truth in the bin of each target, and a last 1."""
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    rows = np.zeros((len(probability), bins + 1))
    rows[np.arange(len(rows)), np.searchsorted(inner, probability)] = probability - happened
    rows[:, -1] = 1
    return rows


def _error(sums: np.ndarray) -> np.ndarray:
    """Sums over targets ``[..., B + 1] -> [...]``: |mean surplus| of each bin times its share."""
    return ratio(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])
