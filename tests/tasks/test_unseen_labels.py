"""Labels that training does not have: an error, or counted as missed by every metric."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.tasks.evidence import evidence, one_hot

from polytask.tasks import Classification, Tagging

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
