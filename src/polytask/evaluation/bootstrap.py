"""Paired resampling of test examples: metrics of many models and tasks under the same draws.

Shapes: N examples, R resamplings, M measurements, U examples of all measurements together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from polytask.evaluation.interval import SEED
from polytask.randomness import seeded
from polytask.tasks.metrics import Evidence, Metric

__all__ = ["Measurement", "bootstrap", "draw_counts"]

Measurement = tuple[Metric, Evidence]
"""A metric and the evidence that it measures."""

CHUNK = 2**22
"""Entries of ``counts`` that exist at a time (32 MB): bounds the memory."""


def bootstrap(
    measurements: Sequence[Measurement], *, resamples: int, purpose: str = ""
) -> np.ndarray:
    """Metrics as measured, and under resamplings of the examples of one data set.

    An example is drawn with all that is known about it: every measurement that has its id sees the
    same draws. So two models are compared on equal test sets, and two tasks that share examples
    vary together. A word-level task resamples sentences, since words of a sentence are not
    independent. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.

    Args:
        measurements: of one data set; `Evidence.ids` tell which examples are the same.
        resamples: R.
        purpose: makes the draws of different data sets independent.

    Returns:
        ``[M, 1 + R]``: column 0 is the plain value; NaN where a metric is not defined.
    """
    universe = np.unique(np.concatenate([evidence.ids for _, evidence in measurements]))
    places = [np.searchsorted(universe, evidence.ids) for _, evidence in measurements]
    values = np.empty((len(measurements), 1 + resamples))
    values[:, 0] = [metric.value(evidence) for metric, evidence in measurements]
    done = 1
    for counts in draw_counts(len(universe), resamples, seeded(SEED, "bootstrap", purpose)):
        columns = slice(done, done + len(counts))
        for row, (metric, evidence) in enumerate(measurements):
            values[row, columns] = metric.resampled(evidence, counts[:, places[row]])
        done += len(counts)
    return values


def draw_counts(
    examples: int, resamples: int, rng: np.random.Generator, *, entries: int = CHUNK
) -> Iterator[np.ndarray]:
    """How often each example is drawn in each resampling.

    Args:
        examples: U.
        resamples: R.
        rng: of the draws.
        entries: most numbers of a chunk, at least one row of them.

    Returns:
        Chunks ``[r, U]``, R rows in all; each row adds up to U.
    """
    step = max(1, entries // max(1, examples))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(examples, size=(rows, examples))
        drawn += examples * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * examples)
        yield counts.reshape(rows, examples)
