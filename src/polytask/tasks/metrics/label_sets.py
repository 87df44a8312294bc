"""Metrics of sets of labels: each label of each example is predicted or not.

Shapes: N examples, C labels; a further column holds how many labels that training does not have
an example has (see `MultiLabel`), which are never predicted.
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
        """How many labels are predicted, true and measured: ``[N, C]`` or ``[N, C + 1]`` each.

        0 or 1, in the further column any number; 0 where not measured.
        """
        mask = np.asarray(evidence.mask)
        predicted = np.zeros(mask.shape, dtype=np.int64)
        scores = np.asarray(evidence.scores)
        predicted[:, : scores.shape[1]] = scores >= self.threshold
        true = np.where(mask, np.asarray(evidence.targets), 0).astype(np.int64)
        return np.where(mask, predicted, 0), true, np.maximum(mask, true)


class MacroLabelF1(_ThresholdMetric):
    """Mean over labels of the harmonic mean of precision and recall.

    As in scikit-learn, a label that is neither predicted nor true has F1 = 0; a label that was
    never measured does not count. All labels that training does not have are one label with F1 = 0,
    which counts where an example has one.
    """

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, measured = self.decided(evidence)
        each = (predicted * true, predicted, true, measured)
        return np.concatenate(each, axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        hits, predicted, true, measured = np.moveaxis(sums.reshape(*sums.shape[:-1], 4, -1), -2, 0)
        f1 = ratio(2 * hits, predicted + true, empty=0.0)
        return mean_of_defined(np.where(measured > 0, f1, np.nan), axis=-1)


class MicroF1(_ThresholdMetric):
    """Harmonic mean of precision and recall over all labels together.

    0 if no label is true or predicted. A label that training does not have is a missed one.
    """

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, measured = self.decided(evidence)
        each = (predicted * true, predicted, true, measured)
        return np.stack([x.sum(axis=1) for x in each], axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        hits, predicted, true, measured = np.moveaxis(sums, -1, 0)
        return np.where(measured > 0, ratio(2 * hits, predicted + true, empty=0.0), np.nan)


class LabelAccuracy(_ThresholdMetric):
    """Share of measured label values that are right (1 - Hamming loss).

    A label that training does not have is a value more, which is wrong.
    """

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, measured = self.decided(evidence)
        right = measured - np.abs(predicted - true)
        return np.stack([right.sum(axis=1), measured.sum(axis=1)], axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 1])


class ExactMatch(_ThresholdMetric):
    """Share of examples of which every measured label is right.

    An example with a label that training does not have is wrong.
    """

    def statistics(self, evidence: Evidence) -> np.ndarray:
        predicted, true, measured = self.decided(evidence)
        any_measured = measured.any(axis=1)
        right = (predicted == true).all(axis=1) & any_measured
        return np.stack([right, any_measured], axis=1).astype(np.float64)

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 1])
