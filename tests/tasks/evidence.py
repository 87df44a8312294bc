"""Random evidence, and evidence written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytask.tasks.metrics import Evidence, Metric


def evidence(scores: Any, targets: Any, mask: Any = None) -> Evidence:
    """Evidence of one target per example; everything is measured unless a mask is given."""
    targets = np.asarray(targets)
    mask = np.ones(targets.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    return Evidence(np.arange(len(targets)), np.asarray(scores, dtype=np.float64), targets, mask)


def words(scores: list[Any], targets: list[Any], mask: list[Any] | None = None) -> Evidence:
    """Evidence of one target per word, from predicted classes or from scores."""
    arrays = [np.asarray(row, dtype=np.int64) for row in targets]
    masks = [np.ones(len(row), dtype=bool) for row in arrays] if mask is None else mask
    return Evidence(
        np.arange(len(arrays)), scores, arrays, [np.asarray(m, dtype=bool) for m in masks]
    )


def one_hot(classes: Any, count: int) -> np.ndarray:
    """Scores that say: this class, surely."""
    return np.eye(count)[np.asarray(classes, dtype=np.int64)]


def probabilities(rng: np.random.Generator, rows: int, classes: int, *, ties: bool) -> np.ndarray:
    """Rows that sum to 1; with ties, scores of different rows are often equal."""
    raw = rng.integers(1, 4, (rows, classes)).astype(float) if ties else rng.random((rows, classes))
    return raw / raw.sum(axis=1, keepdims=True)


def check_resampling(metric: Metric, rows: Evidence, rng: np.random.Generator) -> None:
    """The metric under counts equals the metric of repeated rows."""
    counts = rng.integers(0, 3, (5, len(rows)))
    counts[0] = 1
    repeated = [rows.take(np.repeat(np.arange(len(rows)), count)) for count in counts]
    np.testing.assert_allclose(
        metric.resampled(rows, counts), [metric.value(x) for x in repeated], rtol=1e-9, atol=1e-10
    )
