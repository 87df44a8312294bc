"""Metrics of the order that scores give to examples, for any weights of the examples.

Shapes: N examples, R resamplings.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from polytask.tasks.metrics.per_label import MeanOverLabels
from polytask.tasks.metrics.quotients import ratio

__all__ = ["AUROC", "AveragePrecision", "tie_ends", "tie_starts"]


def tie_ends(ordered: np.ndarray) -> np.ndarray:
    """For a sorted array, the last position of the run of equal values that each entry is in."""
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return last[np.searchsorted(last, np.arange(len(ordered)))]


def tie_starts(ordered: np.ndarray) -> np.ndarray:
    """For a sorted array, the first position of the run of equal values that each entry is in."""
    return len(ordered) - 1 - tie_ends(ordered[::-1])[::-1]


class AUROC(MeanOverLabels):
    """Area under the ROC curve; the mean over labels, or over classes against the rest.

    P(score of a positive > score of a negative) + P(equal) / 2; NaN if one of the two is absent.
    Every class is sorted on its own: 1,000 resamplings of 10,000 examples take a second per class.
    """

    worst: ClassVar[float | None] = 0.5

    def kernel(self, scores: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
        order = np.argsort(scores, kind="stable")
        positive, negative = counts[:, order] * truth[order], counts[:, order] * ~truth[order]
        through = negative.cumsum(axis=1)
        below = np.pad(through, ((0, 0), (1, 0)))[:, tie_starts(scores[order])]
        wins = (positive * (below + through[:, tie_ends(scores[order])]) / 2).sum(axis=1)
        return ratio(wins, positive.sum(axis=1) * negative.sum(axis=1))


class AveragePrecision(MeanOverLabels):
    """Average precision; the mean over labels, or over classes against the rest.

    Sum over thresholds of precision times the gain in recall, without interpolation, as in
    scikit-learn and torchmetrics; NaN if nothing is positive.
    """

    def kernel(self, scores: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
        order = np.argsort(-scores, kind="stable")
        ends = tie_ends(-scores[order])
        positive = counts[:, order] * truth[order]
        drawn = counts[:, order].cumsum(axis=1)[:, ends]
        precision = positive.cumsum(axis=1)[:, ends] / np.where(drawn > 0, drawn, 1.0)
        return ratio((positive * precision).sum(axis=1), positive.sum(axis=1))
