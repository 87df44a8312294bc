"""Metrics that look at one label at a time, and their mean over labels.

Shapes: N examples, R resamplings, L labels (or classes, each against the rest).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import numpy as np

from polytask.tasks.metrics.base import Evidence, Metric
from polytask.tasks.metrics.quotients import mean_of_defined

__all__ = ["MeanOverLabels", "in_blocks"]

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


class MeanOverLabels(Metric):
    """The mean over labels of a kernel; a label for which it is not defined does not count.

    Labels that training does not have get no scores from the model: they do not count either.
    """

    @abstractmethod
    def kernel(self, scores: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Scores and truth ``[N]`` of one label under weights ``counts [R, N]`` -> ``[R]``."""

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        values = [
            in_blocks(self.kernel, scores, truth, counts[:, rows])
            for rows, scores, truth in _binary_problems(evidence)
        ]
        return mean_of_defined(np.stack(values), axis=0)


def _binary_problems(evidence: Evidence) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Each label that has scores as a binary problem: measured rows, their scores, their truth.

    Two classes are one problem (the second class is the positive one), C classes are C problems.
    """
    columns = (evidence.scores, evidence.targets, evidence.mask)
    scores, targets, mask = (np.asarray(column) for column in columns)
    if targets.ndim == 2:
        for label in range(scores.shape[1]):
            rows = np.flatnonzero(mask[:, label])
            yield rows, scores[rows, label], targets[rows, label] > 0.5
        return
    rows = np.flatnonzero(mask)
    for label in [1] if scores.shape[1] == 2 else range(scores.shape[1]):
        yield rows, scores[rows, label], targets[rows] == label
