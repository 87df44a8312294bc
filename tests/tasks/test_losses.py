"""The loss of every output type, against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.tasks import (
    Classification,
    HeadOptions,
    MultiLabel,
    Ordinal,
    Output,
    Regression,
    Tagging,
)
from polytask.tasks.outputs.ordinal import Loss


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def test_cross_entropy() -> None:
    output = Classification(classes=("a", "b"))
    losses = output.losses(torch.tensor([[0.0, log(3)]]), torch.tensor([0]))
    assert losses.tolist() == pytest.approx([log(4)])


def test_label_smoothing_spreads_over_all_classes() -> None:
    output = Classification(classes=("a", "b"), label_smoothing=0.2)
    losses = output.losses(torch.tensor([[0.0, log(3)]]), torch.tensor([0]))
    assert losses.tolist() == pytest.approx([0.9 * log(4) + 0.1 * log(4 / 3)])


def test_balanced_class_weights_are_inverse_frequencies() -> None:
    column = np.array(["a", "a", "a", "b", None], dtype=object)
    output = Classification(class_weights="balanced").fit(column, where="t")
    weights = output.weights(torch.tensor([0, 1, 1]), torch.tensor([True, True, False]))
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 4 / 2, 0])


@pytest.mark.parametrize(("loss", "expected"), [("mse", 9.0), ("mae", 3.0), ("huber", 2.5)])
def test_regression_sees_standardised_targets(loss: str, expected: float) -> None:
    # Training 1, 3: mean 2, deviation 1. A target of 4 is 2 deviations, the output -1: distance 3.
    output = Regression(loss=loss).fit(np.array([1.0, 3.0]), where="t")  # type: ignore[arg-type]
    assert output.losses(torch.tensor([[-1.0]]), torch.tensor([4.0])).tolist() == [expected]


def test_regression_scores_are_in_the_unit_of_the_target() -> None:
    output = Regression().fit(np.array([[10.0, 1.0], [30.0, 3.0]]), where="t")
    assert output.scores(torch.tensor([[1.0, -2.0]])).tolist() == [[30.0, 0.0]]
    assert output.decode(np.array([[30.0, 0.0]])) == [[30.0, 0.0]]


def test_regression_without_standardising_is_the_plain_difference() -> None:
    output = Regression(standardise=False).fit(np.array([10.0, 30.0]), where="t")
    assert output.losses(torch.tensor([[7.0]]), torch.tensor([10.0])).tolist() == [9.0]
    assert output.scores(torch.tensor([[7.0]])).tolist() == [7.0]


def test_concordance_of_a_batch() -> None:
    # p = 0, 2 and t = 1, 5: cov 2, var 1 and 4, means 1 and 3 -> CCC = 4 / (1 + 4 + 4).
    output = Regression(loss="ccc", mean=0.0, std=1.0)
    arguments = torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([1.0, 5.0, -7.0])
    loss = output.batch_loss(*arguments, torch.tensor([1.0, 1.0, 0.0]))
    assert loss is not None
    assert loss.item() == pytest.approx(1 - 4 / 9)


def test_concordance_weights_are_repetitions() -> None:
    output = Regression(loss="ccc", mean=0.0, std=1.0)
    p, t = torch.tensor([[0.0], [2.0], [1.0]]), torch.tensor([1.0, 5.0, 0.0])
    weighted = output.batch_loss(p, t, torch.tensor([1.0, 2.0, 1.0]))
    rows = torch.tensor([0, 1, 1, 2])
    repeated = output.batch_loss(p[rows], t[rows], torch.ones(4))
    torch.testing.assert_close(weighted, repeated)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, 0.0]])
def test_concordance_of_too_few_targets_has_no_gradient(weights: list[float]) -> None:
    output = Regression(loss="ccc", mean=0.0, std=1.0)
    predicted = torch.tensor([[0.5], [float("inf")]], requires_grad=True)
    loss = output.batch_loss(predicted, torch.tensor([0.5, 1.0]), torch.tensor(weights))
    assert loss is not None
    assert loss.item() == weights[0]
    (gradient,) = torch.autograd.grad(loss, predicted)
    assert gradient.tolist() == [[0.0], [0.0]]


def test_multi_label_is_binary_cross_entropy_per_label() -> None:
    output = MultiLabel(classes=("a", "b"))
    losses = output.losses(torch.tensor([[log(3), 0.0]]), torch.tensor([[1.0, 0.0]]))
    assert losses[0].tolist() == pytest.approx([-log(3 / 4), log(2)])


MATRIX = np.array([[1, 0], [0, 0], [0, 1], [np.nan, 1], [0, np.nan], [np.nan, 0]])


def test_balanced_pos_weight_is_negatives_per_positive() -> None:
    output = MultiLabel(pos_weight="balanced").fit(MATRIX, where="t")
    assert output.pos_weight == (3.0, 1.5)
    target, mask = (
        torch.tensor([[1.0, 1.0], [0.0, 1.0]]),
        torch.tensor([[True, True], [True, False]]),
    )
    assert output.weights(target, mask).tolist() == [[3.0, 1.5], [1.0, 0.0]]


def test_pos_weight_is_that_of_torch_up_to_the_divisor() -> None:
    output = MultiLabel(classes=("a", "b", "c"), pos_weight=(0.5, 2.0, 3.0))
    logits, target = torch.randn(7, 3), torch.randint(0, 2, (7, 3)).float()
    weights = output.weights(target, torch.ones(7, 3, dtype=torch.bool))
    torch.testing.assert_close(
        (output.losses(logits, target) * weights).sum(),
        F.binary_cross_entropy_with_logits(
            logits, target, pos_weight=torch.tensor([0.5, 2.0, 3.0]), reduction="sum"
        ),
    )


def test_label_weights_hold_for_yes_and_no() -> None:
    output = MultiLabel(class_weights={"b": 5.0}, pos_weight={"b": 2.0}, classes=("a", "b"))
    fitted = output.fit(np.array(["a,b", "b"], dtype=object), where="t")
    target = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    weights = fitted.weights(target, torch.ones(2, 2, dtype=torch.bool))
    assert weights.tolist() == [[1.0, 10.0], [1.0, 5.0]]


def test_balanced_label_weights_make_up_for_labels_that_were_rarely_measured() -> None:
    matrix = np.array([[1, 0, np.nan], [0, np.nan, np.nan], [0, np.nan, np.nan]])
    output = MultiLabel(class_weights="balanced").fit(matrix, where="t")
    # Four targets of three labels: a was measured three times, b once, c never.
    assert output.class_weights == pytest.approx((4 / 9, 4 / 3, 1.0))


def test_cumulative_is_one_problem_per_threshold() -> None:
    output = Ordinal(classes=(1, 2, 3))
    losses = output.losses(torch.tensor([[2.0, -1.0]]), torch.tensor([1]))
    assert losses.tolist() == pytest.approx([-log(sigmoid(2)) - log(1 - sigmoid(-1))])


def test_cumulative_thresholds_share_one_weight_vector() -> None:
    head = Ordinal(classes=(1, 2, 3, 4)).head(5, HeadOptions())
    assert {name: tuple(p.shape) for name, p in head.named_parameters()} == {
        "bias": (3,),
        "weight.weight": (1, 5),
    }
    differences = head(torch.randn(7, 5)).diff(dim=-1)
    torch.testing.assert_close(differences, torch.full((7, 2), -1 / 3))


def test_conditional_problems_are_asked_up_to_the_class() -> None:
    output = Ordinal(classes=(1, 2, 3), loss="corn")
    logits = torch.tensor([[2.0, -1.0]]).repeat(3, 1)
    target, every = torch.tensor([0, 1, 2]), torch.ones(3, dtype=torch.bool)
    total = output.losses(logits, target) * output.weights(target, every)
    first, second = sigmoid(2), sigmoid(-1)
    assert total.tolist() == pytest.approx(
        [-log(1 - first), -log(first) - log(1 - second), -log(first) - log(second)], rel=1e-5
    )
    assert output.weights(target, every).tolist() == [1, 2, 2]


@pytest.mark.parametrize("loss", ["cumulative", "corn", "cross_entropy"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whole_class_weights_are_repetitions(loss: Loss, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    factors = torch.randint(0, 4, (4,), generator=generator)
    target = torch.arange(4).repeat(2)
    factors[0] = 1  # at least one example counts
    plain = Ordinal(classes=(1, 2, 3, 4), loss=loss)
    weighted = replace(plain, class_weights=tuple(factors.float().tolist()))
    logits = torch.randn((8, plain.size), generator=generator)
    again = torch.repeat_interleave(torch.arange(8), factors[target])
    torch.testing.assert_close(
        mean_loss(weighted, logits, target), mean_loss(plain, logits[again], target[again])
    )


def mean_loss(output: Output, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    weights = output.weights(target, torch.ones_like(target, dtype=torch.bool))
    return (output.losses(logits, target) * weights).sum() / weights.sum()


def test_balanced_class_weights_of_ordered_classes() -> None:
    output = Ordinal(class_weights="balanced", loss="corn").fit(np.array([1, 1, 1, 5]), where="t")
    assert output.class_weights == pytest.approx((4 / (2 * 3), 4 / 2))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("cumulative", [1 - sigmoid(2), sigmoid(2) - sigmoid(-1), sigmoid(-1)]),
        ("corn", [1 - sigmoid(2), sigmoid(2) * (1 - sigmoid(-1)), sigmoid(2) * sigmoid(-1)]),
    ],
)
def test_ordinal_scores_are_class_probabilities(loss: str, expected: list[float]) -> None:
    output = Ordinal(classes=("low", "mid", "high"), loss=loss)  # type: ignore[arg-type]
    scores = output.scores(torch.tensor([[2.0, -1.0]]))
    assert scores[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert output.decode(scores.numpy()) == ["mid"]


def test_thresholds_out_of_order_give_no_negative_probability() -> None:
    scores = Ordinal(classes=(1, 2, 3)).scores(torch.tensor([[-1.0, 2.0]]))
    assert scores[0].tolist() == pytest.approx([1 - sigmoid(-1), 0, sigmoid(-1)])


def test_the_predicted_rank_is_the_median_not_the_mode() -> None:
    assert Ordinal(classes=(1, 2, 3)).decode(np.array([[0.4, 0.25, 0.35]])) == [2]


def test_tagging_is_cross_entropy_per_word() -> None:
    output = Tagging(classes=("N", "V"))
    logits = torch.tensor([[[0.0, log(3)], [log(3), 0.0]]])
    assert output.losses(logits, torch.tensor([[0, 0]]))[0].tolist() == pytest.approx(
        [log(4), log(4 / 3)]
    )


def test_words_that_the_model_cut_off_cost_a_uniform_guess() -> None:
    output = Tagging(classes=("N", "V"))
    logits = torch.zeros(1, 1, 2, requires_grad=True)
    losses = output.losses(logits, torch.tensor([[0, 1, 1]]))
    assert losses[0].tolist() == pytest.approx([log(2)] * 3)
    assert output.losses(torch.zeros(1, 5, 2), torch.zeros(1, 0, dtype=torch.long)).shape == (1, 0)
