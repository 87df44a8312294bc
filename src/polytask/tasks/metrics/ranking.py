"""Metrics of the order that scores give to examples, for any weights of the examples.

Shapes: N examples, R resamplings, L labels (or classes, each against the rest).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from polytask.tasks.metrics.base import Evidence, Metric
from polytask.tasks.metrics.quotients import mean_of_defined, ratio

__all__ = ["AUROC", "AveragePrecision", "in_blocks", "tie_ends", "tie_starts"]

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Scores ``[N]``, truth ``[N]`` and counts ``[R, N]`` to the values ``[R]`` of a metric."""

BLOCK = 2**20
"""Entries of ``counts`` that a kernel sees at a time (8 MB): bounds its temporary arrays."""


def in_blocks(
    kernel: Kernel, scores: np.ndarray, truth: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """The kernel over blocks of resamplings; NaN if there is no example."""
    if len(scores) == 0 or len(counts) == 0:
        return np.full(len(counts), np.nan)
    step = max(1, BLOCK // len(scores))
    blocks = (counts[start : start + step] for start in range(0, len(counts), step))
    return np.concatenate([kernel(scores, truth, x.astype(np.float64)) for x in blocks])


def binary_problems(evidence: Evidence) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Each label as a binary problem: measured rows, their scores, their truth.

    Two classes are one problem (the second class is the positive one), C classes are C problems.
    """
    columns = (evidence.scores, evidence.targets, evidence.mask)
    scores, targets, mask = (np.asarray(column) for column in columns)
    if targets.ndim == 2:
        for label in range(targets.shape[1]):
            rows = np.flatnonzero(mask[:, label])
            yield rows, scores[rows, label], targets[rows, label] > 0.5
        return
    rows = np.flatnonzero(mask)
    for label in [1] if scores.shape[1] == 2 else range(scores.shape[1]):
        yield rows, scores[rows, label], targets[rows] == label


def tie_ends(ordered: np.ndarray) -> np.ndarray:
    """For a sorted array, the last position of the run of equal values that each entry is in."""
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return last[np.searchsorted(last, np.arange(len(ordered)))]


def tie_starts(ordered: np.ndarray) -> np.ndarray:
    """For a sorted array, the first position of the run of equal values that each entry is in."""
    return len(ordered) - 1 - tie_ends(ordered[::-1])[::-1]


class _MeanOverLabels(Metric):
    """The mean over labels of a kernel; a label for which it is not defined does not count."""

    @abstractmethod
    def kernel(self, scores: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Scores and truth ``[N]`` of one label under weights ``counts [R, N]`` -> ``[R]``."""

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        values = [
            in_blocks(self.kernel, scores, truth, counts[:, rows])
            for rows, scores, truth in binary_problems(evidence)
        ]
        return mean_of_defined(np.stack(values), axis=0)


class AUROC(_MeanOverLabels):
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


class AveragePrecision(_MeanOverLabels):
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
