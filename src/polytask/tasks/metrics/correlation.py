"""Rank correlation, for any weights of the examples.

Shapes: N examples, D dimensions, R resamplings.
"""

from __future__ import annotations

import numpy as np

from polytask.tasks.metrics.base import Evidence, Metric
from polytask.tasks.metrics.moments import columns
from polytask.tasks.metrics.per_label import in_blocks
from polytask.tasks.metrics.quotients import mean_of_defined, ratio
from polytask.tasks.metrics.ranking import tie_ends, tie_starts

__all__ = ["Spearman"]


class Spearman(Metric):
    """Rank correlation of predictions and targets; NaN where one of them is constant.

    The Pearson correlation of ranks; equal values share their mean rank. An example that was drawn
    k times takes k ranks, so a resampling equals the evidence with repeated rows. The mean over
    dimensions for vectors.
    """

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        values = [
            in_blocks(_spearman, scores[mask], targets[mask], counts[:, mask])
            for scores, targets, mask in zip(*(x.T for x in columns(evidence)), strict=True)
        ]
        return mean_of_defined(np.stack(values), axis=0)


def _spearman(scores: np.ndarray, targets: np.ndarray, counts: np.ndarray) -> np.ndarray:
    p, t = (_centred_ranks(x, counts) for x in (scores, targets))
    covariance = (counts * p * t).sum(axis=1)
    spread = np.sqrt((counts * p * p).sum(axis=1)) * np.sqrt((counts * t * t).sum(axis=1))
    correlation: np.ndarray = np.clip(ratio(covariance, spread), -1.0, 1.0)
    return correlation


def _centred_ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mid-ranks minus their weighted mean, which is half of the total weight: ``[R, N]``.

    Exactly 0 where all drawn values are equal.
    """
    order = np.argsort(values, kind="stable")
    through = np.cumsum(counts[:, order], axis=1)
    below = np.pad(through, ((0, 0), (1, 0)))[:, tie_starts(values[order])]
    ranks = np.empty_like(through)
    ranks[:, order] = (below + through[:, tie_ends(values[order])] - through[:, -1:]) / 2
    return ranks
