"""Where a metric is not defined it is NaN, at any scale, and without a warning."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tasks.evidence import evidence, one_hot, words

from polytask.tasks import Classification, MultiLabel, Ordinal, Output, Regression, Tagging
from polytask.tasks.metrics import CCC, MAE, R2, ExplainedVariance, Metric, Pearson, Spearman

OUTPUTS: list[tuple[Output, np.ndarray]] = [
    (Classification(classes=("a", "b", "c")), np.zeros((4, 3))),
    (Regression(mean=0.0, std=1.0), np.zeros(4)),
    (Regression(mean=(0.0, 0.0), std=(1.0, 1.0)), np.zeros((4, 2))),
    (Ordinal(classes=(1, 2, 3)), np.zeros((4, 3))),
    (MultiLabel(classes=("a", "b")), np.zeros((4, 2))),
]


@pytest.mark.parametrize(("output", "scores"), OUTPUTS)
@pytest.mark.parametrize("rows", [4, 0])
def test_nothing_measured(output: Output, scores: np.ndarray, rows: int) -> None:
    per_dimension = isinstance(output, MultiLabel) or scores.shape[1:] == (2,)
    targets = np.zeros(scores.shape if per_dimension else 4, dtype=np.int64)[:rows]
    empty = evidence(scores[:rows], targets, np.zeros(targets.shape))
    for name, metric in output.metrics().items():
        assert np.isnan(metric.value(empty)), name


def test_no_words_measured() -> None:
    output = Tagging(scheme="bio", classes=("B-x", "O"))
    empty = words([one_hot([0], 2), np.zeros((0, 2))], [[0], []], [[False], []])
    values = {name: metric.value(empty) for name, metric in output.metrics().items()}
    assert {name for name, value in values.items() if value == 0} == {"f1", "precision", "recall"}
    assert all(np.isnan(values[name]) for name in ("accuracy", "macro_f1", "ece"))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("metric", [R2(), ExplainedVariance(), Pearson(), Spearman()])
def test_constant_targets(metric: Metric, scale: float) -> None:
    scores = np.array([0.1, 0.2, 0.7]) * scale
    assert np.isnan(metric.value(evidence(scores, np.full(3, 0.3 * scale))))
    assert not np.isnan(metric.value(evidence(scores, np.array([0.1, 0.3, 0.5]) * scale)))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_resampling_that_drew_one_example(scale: float) -> None:
    rows = evidence(np.array([1.0, 2.0, 4.0]) * scale, np.array([1.1, 2.3, 3.0]) * scale)
    once = np.array([[0, 3, 0]])
    assert MAE().resampled(rows, once) == pytest.approx(0.3 * scale)
    for metric in (R2(), ExplainedVariance(), Pearson(), Spearman()):
        assert np.isnan(metric.resampled(rows, once)), type(metric).__name__
    assert CCC().resampled(rows, once) == 0


def test_a_label_that_is_not_defined_does_not_count() -> None:
    auroc = MultiLabel(classes=("a", "b")).metrics()["auroc"]
    rows = evidence([[0.1, 0.5], [0.9, 0.4]], [[0, 1], [1, 1]])
    assert auroc.value(rows) == 1.0
