"""How far a classifier's confidence is from its accuracy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polytask.tasks.metrics.base import AdditiveMetric, Evidence
from polytask.tasks.metrics.decisions import decide
from polytask.tasks.metrics.quotients import ratio

__all__ = ["CalibrationError"]


class CalibrationError(AdditiveMetric):
    """Expected calibration error: sum over bins of |accuracy - confidence| times the bin's share.

    The confidence is the probability of the predicted class. Bin m is ((m - 1) / bins, m / bins],
    as in the paper; torchmetrics closes bins on the left, which differs only exactly on an edge.
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
        edges = np.linspace(0, 1, self.bins + 1)[1:-1]
        into = (found.example, np.searchsorted(edges, found.confidence))
        sums = np.zeros((3, len(evidence), self.bins))
        np.add.at(sums[0], into, found.confidence)
        np.add.at(sums[1], into, found.predicted == found.target)
        np.add.at(sums[2], into, 1)
        return np.concatenate(list(sums), axis=1)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        shaped = sums.reshape(*sums.shape[:-1], 3, self.bins)
        gap = np.abs(shaped[..., 0, :] - shaped[..., 1, :]).sum(axis=-1)
        return ratio(gap, shaped[..., 2, :].sum(axis=-1))
