"""Metrics of one predicted class per example or word, computed from counts.

Shapes: N examples, C classes, K = C + 1 with the class of all labels that training does not have.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch

from polytask.tasks.metrics.base import AdditiveMetric, Evidence, Metric
from polytask.tasks.metrics.decisions import decide
from polytask.tasks.metrics.quotients import mean_of_defined, ratio

__all__ = ["Accuracy", "MacroF1", "MatthewsCorrelation"]


class Accuracy(AdditiveMetric):
    """Share of targets whose class was predicted."""

    def statistics(self, evidence: Evidence) -> np.ndarray:
        found = decide(evidence).measured()
        hits = np.bincount(found.example, found.predicted == found.target, len(evidence))
        return np.stack([hits, np.bincount(found.example, minlength=len(evidence))], axis=1)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 1])


class _ClassMetric(Metric):
    """A function of hits, predictions and truths of each class.

    An example touches few classes, so its counts are a sparse row: with 700 classes and 10,000
    examples a dense one would take 168 MB and most of the time.

    Args:
        classes: C. Targets of C or more are one further class, which is never predicted.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        table = _sparse_counts(evidence, self.classes + 1)
        sums = (table @ torch.from_numpy(counts.T.astype(np.float64))).numpy().T
        return self.of_counts(*np.moveaxis(sums.reshape(len(counts), 3, -1), 1, 0))

    @abstractmethod
    def of_counts(self, hits: np.ndarray, predicted: np.ndarray, truths: np.ndarray) -> np.ndarray:
        """``[R, K]`` each -> ``[R]``."""


def _sparse_counts(evidence: Evidence, classes: int) -> torch.Tensor:
    """``[3 K, N]`` sparse: how many hits, predictions and truths of each class an example has."""
    found = decide(evidence).measured()
    other = classes - 1
    target = np.minimum(found.target, other)
    predicted = np.where(found.predicted < 0, other, found.predicted)
    hit = found.predicted == found.target
    column = np.concatenate([found.example[hit], found.example, found.example])
    row = np.concatenate([target[hit], classes + predicted, 2 * classes + target])
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([row, column])),
        torch.ones(len(row), dtype=torch.float64),
        (3 * classes, len(evidence)),
        check_invariants=True,
    )


class MacroF1(_ClassMetric):
    """Mean over classes of the harmonic mean of precision and recall.

    A class that is neither predicted nor true does not count, as in scikit-learn and torchmetrics.
    All labels that training does not have are one class with F1 = 0.
    """

    def of_counts(self, hits: np.ndarray, predicted: np.ndarray, truths: np.ndarray) -> np.ndarray:
        return mean_of_defined(2 * ratio(hits, predicted + truths), axis=-1)


class MatthewsCorrelation(_ClassMetric):
    """Matthews correlation coefficient, for any number of classes; 0 where a side is constant.

    Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation
    coefficient", 2004.
    """

    def of_counts(self, hits: np.ndarray, predicted: np.ndarray, truths: np.ndarray) -> np.ndarray:
        total = truths.sum(axis=-1)
        covariance = hits.sum(axis=-1) * total - (predicted * truths).sum(axis=-1)
        spread = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (truths**2).sum(axis=-1))
        value = np.where(spread > 0, ratio(covariance, np.sqrt(np.maximum(spread, 0))), 0.0)
        return np.where(total > 0, value, np.nan)
