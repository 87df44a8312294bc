"""Calibration errors by hand: of the most probable class, and of each label."""

from __future__ import annotations

import numpy as np
import pytest
from tests.tasks.evidence import check_resampling, evidence

from polytask.tasks import Classification, MultiLabel, Ordinal
from polytask.tasks.metrics import CalibrationError, LabelCalibrationError


def test_a_bin_is_the_gap_between_confidence_and_accuracy() -> None:
    # Confidences 0.8 and 0.6 are in (0.5, 1]: one of two is right. 0.4 is in (0, 0.5]: wrong.
    scores = [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4]]
    rows = evidence(scores, [0, 0, 0])
    assert CalibrationError(2).value(rows) == pytest.approx(2 / 3 * 0.2 + 1 / 3 * 0.4)


def test_ordered_classes_are_calibrated_like_other_classes() -> None:
    ordinal, plain = Ordinal(classes=(1, 2, 3)), Classification(classes=(1, 2, 3))
    # The median of the first row is class 2, but its most probable class is 1.
    rows = evidence([[0.4, 0.25, 0.35], [0.1, 0.1, 0.8]], [0, 1])
    assert ordinal.decode(rows.scores) == [2, 3]
    value = ordinal.metrics()["ece"].value(rows)
    assert value == plain.metrics()["ece"].value(rows)
    assert value == pytest.approx((0.6 + 0.8) / 2)


def test_labels_are_calibrated_one_by_one() -> None:
    # Label a: mean probability 0.3 and 0.9 in two bins, holds in half and in all of them.
    # Label b: measured once. Label c: never measured, so that it does not count.
    scores = [[0.2, 0.7, 0.5], [0.4, 0.1, 0.5], [0.9, 0.1, 0.5]]
    targets = [[0, 0, 1], [1, 1, 1], [1, 1, 1]]
    mask = [[True, True, False], [True, False, False], [True, False, False]]
    rows = evidence(scores, targets, mask)
    a, b = 2 / 3 * abs(0.3 - 0.5) + 1 / 3 * abs(0.9 - 1), 0.7
    metric = LabelCalibrationError(2)
    assert metric.value(rows) == pytest.approx((a + b) / 2)
    # The second example twice, the others not at all: b was not measured in any.
    assert metric.resampled(rows, np.array([[0, 2, 0]])) == pytest.approx(0.6)
    check_resampling(metric, rows, np.random.default_rng(0))


def test_a_sure_and_right_model_is_calibrated() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1]])
    metric = MultiLabel(classes=("a", "b")).metrics()["ece"]
    assert metric.value(evidence(truth.astype(float), truth)) == metric.best
    assert metric.value(evidence(1.0 - truth, truth)) == metric.worst
