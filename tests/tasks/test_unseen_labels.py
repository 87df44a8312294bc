"""Labels that training does not have: an error, or counted as missed by every metric."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from tests.tasks.evidence import check_resampling, evidence, one_hot, probabilities

from polytask.tasks import Classification, MultiLabel, Ordinal, Tagging

TRAIN = np.array(["a", "b", "c", "a"], dtype=object)
TEST = np.array(["a", "new", "b", "newer"], dtype=object)


def test_the_target_is_the_number_of_classes() -> None:
    targets = Classification(unknown="wrong").fit(TRAIN, where="t").encode(TEST, str)
    rows = torch.arange(4)
    assert targets.values.take(rows).tolist() == [0, 3, 1, 3]
    assert targets.mask.take(rows).tolist() == [True] * 4


def test_no_loss_learns_from_it() -> None:
    output = Classification(unknown="wrong", class_weights="balanced").fit(TRAIN, where="t")
    target, logits = torch.tensor([3, 0]), torch.randn(2, 3, requires_grad=True)
    weights = output.weights(target, torch.ones(2, dtype=torch.bool))
    assert weights[0] == 0
    assert weights[1] > 0
    (output.losses(logits, target) * weights).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0, 0, 0]


def test_every_metric_counts_it_as_missed() -> None:
    metrics = Classification(unknown="wrong").fit(TRAIN, where="t").metrics()
    rows = evidence(one_hot([0, 0, 1, 1, 2], 3), [0, 3, 1, 3, 2])
    values = {name: metric.value(rows) for name, metric in metrics.items()}
    assert values["accuracy"] == pytest.approx(3 / 5)
    # Classes a and b have precision 1/2 and recall 1, c is right, unseen labels have F1 = 0.
    assert values["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1 + 0) / 4)
    assert values["ece"] == pytest.approx(2 / 5)
    assert values["mcc"] < 1
    assert values["auroc"] < 1


def test_plain_tags() -> None:
    fit = np.array([["N", "V"], ["N"]], dtype=object)
    output = Tagging(unknown="wrong").fit(fit, where="t")
    test = np.array([["N", "X", None], ["V"]], dtype=object)
    targets = output.encode(test, str)
    values = targets.values.take(torch.arange(2))
    assert values.tolist() == [[0, 2, 0], [1, 0, 0]]
    weights = output.weights(values, targets.mask.take(torch.arange(2)))
    assert weights.tolist() == [[1, 0, 0], [1, 0, 0]]


RANKS = np.array([1, 2, 5, np.nan])


def test_an_ordered_label_is_numbered_after_the_classes() -> None:
    for loss in ("cumulative", "corn", "cross_entropy"):
        output = Ordinal(unknown="wrong", loss=loss, class_weights="balanced").fit(RANKS, where="t")
        targets = output.encode(np.array([5, 3, np.nan]), str)
        assert targets.values.values.tolist() == [2, 3, 0]
        assert targets.mask.values.tolist() == [True, True, False]
        weights = output.weights(targets.values.values, targets.mask.values)
        assert weights[0] > 0
        assert weights[1:].tolist() == [0, 0]
        assert output.losses(torch.randn(3, output.size), targets.values.values).isfinite().all()


def test_an_ordered_label_is_taken_for_the_class_farthest_from_the_prediction() -> None:
    metrics = Ordinal(classes=(1, 2, 3, 4)).metrics()
    scores = one_hot([0, 1, 2, 3, 3], 4)
    unseen = evidence(scores, [4, 4, 4, 4, 3])
    farthest = evidence(scores, [3, 3, 0, 0, 3])
    for name in ("mae", "kappa", "accuracy", "spearman"):
        assert metrics[name].value(unseen) == metrics[name].value(farthest), name
    assert metrics["mae"].value(unseen) == pytest.approx((3 + 2 + 2 + 3 + 0) / 5)
    assert metrics["accuracy"].value(unseen) == pytest.approx(1 / 5)
    assert metrics["ece"].value(unseen) == pytest.approx(4 / 5)


def test_sets_of_labels_count_how_many_are_unseen() -> None:
    output = MultiLabel(unknown="wrong", pos_weight=(2.0, 3.0), classes=("a", "b"))
    column = np.array(["a, new, newer, new", "b", None, ""], dtype=object)
    targets = output.encode(column, str)
    assert targets.values.values.tolist() == [[1, 0, 2], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert targets.mask.values.int().tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    target, logits = targets.values.values, torch.randn(4, 2, requires_grad=True)
    weights = output.weights(target, targets.mask.values)
    assert weights[:2].tolist() == [[2, 1, 0], [1, 3, 0]]
    assert output.losses(logits, target)[:, 2].tolist() == [0] * 4


def test_a_matrix_has_no_unseen_labels() -> None:
    output = MultiLabel(unknown="wrong").fit(np.eye(2), where="t")
    targets = output.encode(np.array([[1, np.nan]]), str)
    assert targets.values.values.tolist() == [[1, 0, 0]]
    assert targets.mask.values.tolist() == [[True, False, False]]


def test_what_each_metric_of_label_sets_makes_of_unseen_ones() -> None:
    metrics = MultiLabel(classes=("a", "b"), unknown="wrong").metrics()
    scores = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.6]]
    targets = [[1, 0, 2], [0, 1, 0], [1, 0, 0]]
    mask = [[True, True, True], [True, True, False], [True, True, False]]
    unseen = evidence(scores, targets, mask)
    seen = evidence(scores, np.array(targets)[:, :2])
    values = {name: (metric.value(seen), metric.value(unseen)) for name, metric in metrics.items()}
    # Predicted a, b, a, b; true a, b, a and two more. The b of the third example is wrong.
    assert values["micro_f1"] == pytest.approx((2 * 3 / (4 + 3), 2 * 3 / (4 + 5)))
    assert values["macro_f1"] == pytest.approx(((1 + 2 / 3) / 2, (1 + 2 / 3 + 0) / 3))
    assert values["accuracy"] == pytest.approx((5 / 6, 5 / 8))
    assert values["exact_match"] == pytest.approx((2 / 3, 1 / 3))
    for name in ("auroc", "average_precision", "ece"):
        assert values[name][0] == values[name][1], name


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), unseen=st.integers(1, 3))
def test_unseen_labels_are_labels_that_are_never_predicted(seed: int, unseen: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth = rng.random((12, 3)), rng.integers(0, 2, (12, 3 + unseen))
    number = truth[:, 3:].sum(axis=1, keepdims=True)
    rows = evidence(scores, np.hstack([truth[:, :3], number]), mask_of(number, 3))
    said = np.hstack([scores >= 0.5, np.zeros((12, unseen))])
    metrics = MultiLabel(classes=(0, 1, 2)).metrics()
    micro = sk.f1_score(truth, said, average="micro", zero_division=0)
    assert metrics["micro_f1"].value(rows) == pytest.approx(micro)
    assert metrics["exact_match"].value(rows) == pytest.approx(sk.accuracy_score(truth, said))


def mask_of(number: np.ndarray, labels: int) -> np.ndarray:
    return np.hstack([np.ones((len(number), labels), dtype=bool), number > 0])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_masked_targets_change_nothing_and_counts_are_repetitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for output, shape, largest in (
        (MultiLabel(classes=(0, 1, 2)), (12, 4), [2, 2, 2, 5]),
        (Ordinal(classes=(1, 2, 3)), (12,), 4),
    ):
        scores = probabilities(rng, 12, 3, ties=True)
        mask = rng.random(shape) < 0.7
        targets, others = rng.integers(0, largest, shape), rng.integers(0, largest, shape)
        rows = evidence(scores, targets, mask)
        changed = evidence(scores, np.where(mask, targets, others), mask)
        for name, metric in output.metrics().items():
            assert metric.value(rows) == pytest.approx(metric.value(changed), nan_ok=True), name
            check_resampling(metric, rows, rng)
