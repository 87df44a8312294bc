"""What a metric is: a value, and the same value under many resamplings of the examples.

Shapes: N examples, S sufficient statistics, R resamplings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

__all__ = ["AdditiveMetric", "Evidence", "Metric", "Rows"]

Rows = np.ndarray | Sequence[np.ndarray]
"""One array for all examples, or one array per example where their lengths differ."""


@dataclass(frozen=True)
class Evidence:
    """What a model said about one task on one split, next to the truth.

    Args:
        ids: ``[N]`` positions of the examples in the split.
        scores: ``[N, ...]`` what `Output.scores` returned; for words one array ``[W, O]`` per
            example.
        targets: ``[N, ...]`` encoded targets; for words one array ``[W]`` per example.
        mask: the shape of the targets; true where a target was measured.
    """

    ids: np.ndarray
    scores: Rows
    targets: Rows
    mask: Rows

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Evidence:
        """The evidence of the examples at these positions (a position may come twice)."""
        columns = (self.scores, self.targets, self.mask)
        return Evidence(self.ids[rows], *(_take(column, rows) for column in columns))


def _take(values: Rows, rows: np.ndarray) -> Rows:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


class Metric(ABC):
    """A number that tells how good predictions are.

    Bootstrap intervals need a metric thousands of times, under different weights of the same
    examples; so that is the primitive here, and the plain value is the case where every example
    counts once.
    """

    higher_is_better: ClassVar[bool] = True
    worst: ClassVar[float | None] = 0.0
    """The value of a useless model; None where there is no such value (errors in a unit)."""
    best: ClassVar[float] = 1.0

    @abstractmethod
    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        """The metric of R resamplings: ``counts [R, N]`` tells how often each example was drawn.

        Returns:
            ``[R]``; NaN where the metric is not defined (for example AUROC of one class).
        """

    def value(self, evidence: Evidence) -> float:
        """The metric of all examples; NaN where it is not defined."""
        return float(self.resampled(evidence, np.ones((1, len(evidence))))[0])


class AdditiveMetric(Metric):
    """A metric that is a function of sums over examples: resampling is one matrix product."""

    @abstractmethod
    def statistics(self, evidence: Evidence) -> np.ndarray:
        """``[N, S]`` float64, one row per example; 0 where nothing was measured."""

    @abstractmethod
    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        """``[..., S] -> [...]``."""

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        return self.from_sums(counts.astype(np.float64) @ self.statistics(evidence))
