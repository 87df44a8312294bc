"""Metrics of sets of labels: each label of each example is predicted or not.

Shapes: N examples, C labels.
"""

from __future__ import annotations

import numpy as np

from polytask.tasks.metrics.base import AdditiveMetric, Evidence
from polytask.tasks.metrics.quotients import mean_of_defined, ratio

__all__ = ["ExactMatch", "LabelAccuracy", "MacroLabelF1", "MicroF1"]


class _ThresholdMetric(AdditiveMetric):
    """A metric of labels that are predicted where their probability reaches a threshold.

    Args:
        threshold: the least probability of a predicted label, in (0, 1).
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def decided(self, evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``[N, C]`` each: predicted, true, measured; false where not measured."""
        mask = np.asarray(evidence.mask)
        predicted = np.asarray(evidence.scores) >= self.threshold
        return predicted & mask, (np.asarray(evidence.targets) > 0.5) & mask, mask


class MacroLabelF1(_ThresholdMetric):
    """Mean over labels of the harmonic mean of precision and recall.

    As in scikit-learn, a label that is neither predicted nor true has F1 = 0; a label that was
    never measured does not count.
    """

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, mask = self.decided(evidence)
        each = (predicted & true, predicted, true, mask)
        return np.concatenate(each, axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        hits, predicted, true, measured = np.moveaxis(sums.reshape(*sums.shape[:-1], 4, -1), -2, 0)
        f1 = ratio(2 * hits, predicted + true, empty=0.0)
        return mean_of_defined(np.where(measured > 0, f1, np.nan), axis=-1)


class MicroF1(_ThresholdMetric):
    """Harmonic mean of precision and recall over all labels together.

    0 if no label is true or predicted.
    """

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, mask = self.decided(evidence)
        each = (predicted & true, predicted, true, mask)
        return np.stack([x.sum(axis=1) for x in each], axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        hits, predicted, true, measured = np.moveaxis(sums, -1, 0)
        return np.where(measured > 0, ratio(2 * hits, predicted + true, empty=0.0), np.nan)


class LabelAccuracy(_ThresholdMetric):
    """Share of measured label values that are right (1 - Hamming loss)."""

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, mask = self.decided(evidence)
        right = ((predicted == true) & mask).sum(axis=1)
        return np.stack([right, mask.sum(axis=1)], axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 1])


class ExactMatch(_ThresholdMetric):
    """Share of examples of which every measured label is right."""

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, mask = self.decided(evidence)
        measured = mask.any(axis=1)
        right = (predicted == true).all(axis=1) & measured
        return np.stack([right, measured], axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 1])
