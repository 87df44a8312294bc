"""Precision, recall and F1 of entities: type and both boundaries must match.

Shapes: N examples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polytask.tasks.metrics.base import AdditiveMetric, Evidence
from polytask.tasks.metrics.decisions import UNSCORED, decide
from polytask.tasks.metrics.quotients import ratio
from polytask.tasks.metrics.spans import Spans, TagTable, find_spans

__all__ = ["EntityF1", "EntityPrecision", "EntityRecall"]


class _EntityMetric(AdditiveMetric):
    """A function of the numbers of right, predicted and true entities of all examples (micro).

    As in seqeval's strict mode, a sequence that breaks the scheme forms no entity. Words that were
    not measured read as O on both sides.

    Args:
        tags: the tags in the order of their numbers, those of training first.
        scheme: ``bio`` or ``iob2``, ``iob1``, ``bioes``.
    """

    def __init__(self, tags: Sequence[str], scheme: str) -> None:
        self.table = TagTable.of(tags, scheme)

    def statistics(self, evidence: Evidence) -> np.ndarray:
        words = decide(evidence)
        first = np.diff(words.example, prepend=-1) != 0
        predicted, true = (
            find_spans(np.where(words.mask, tags, UNSCORED), first, self.table)
            for tags in (words.predicted, words.target)
        )
        right = predicted.start[_matches(predicted, true, len(first))]
        starts = (right, predicted.start, true.start)
        counts = [np.bincount(words.example[x], minlength=len(evidence)) for x in starts]
        return np.stack(counts, axis=1).astype(np.float64)


def _matches(predicted: Spans, true: Spans, words: int) -> np.ndarray:
    """Which predicted entities are true ones: at most one entity starts at a word."""
    at = np.full(words, -1)
    at[true.start] = np.arange(len(true.start))
    index = at[predicted.start]
    found = index >= 0
    index = index[found]
    same_end = true.end[index] == predicted.end[found]
    same_kind = true.kind[index] == predicted.kind[found]
    matches = np.zeros(len(predicted.start), dtype=bool)
    matches[found] = same_end & same_kind
    return matches


class EntityPrecision(_EntityMetric):
    """Share of predicted entities that are true; 0 where nothing is predicted."""

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 1], empty=0.0)


class EntityRecall(_EntityMetric):
    """Share of true entities that were predicted; 0 where there is none."""

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(sums[..., 0], sums[..., 2], empty=0.0)


class EntityF1(_EntityMetric):
    """Harmonic mean of precision and recall of entities; 0 where there is none."""

    def from_sums(self, sums: np.ndarray) -> np.ndarray:
        return ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2], empty=0.0)
