from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from tests.balance.methods.steps import named, run, softmax, step

from polytask.balance import RLW
from polytask.errors import InputError

LOSSES = np.ones((1500, 4))
DEVIATIONS = 5.0
"""Of the mean of the draws; wrong by chance once in a million."""


def close(draws: np.ndarray, mean: float, deviation: float) -> bool:
    return bool(np.all(abs(draws.mean(0) - mean) < DEVIATIONS * deviation / len(draws) ** 0.5))


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_logarithms_of_the_weights_are_distributed_as_named(
    distribution: Literal["normal", "uniform"],
) -> None:
    weights = run(RLW(distribution=distribution), LOSSES)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    between = np.log(weights[:, 0] / weights[:, 1])  # the difference of two independent draws
    variance = 2.0 if distribution == "normal" else 2 / 12
    assert close(between[:, None], 0.0, variance**0.5)
    assert close(between[:, None] ** 2, variance, 1.5 * variance)
    expected = np.random.default_rng(0)
    draws = (
        expected.normal(size=(1500, 4)) if distribution == "normal" else expected.random((1500, 4))
    )
    assert close(weights.max(1)[:, None], softmax(draws).max(1).mean(), 2 * weights.max(1).std())


def test_dirichlet_is_flat() -> None:
    weights = run(RLW(distribution="dirichlet"), LOSSES)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    deviation = (3 / 16 / 5) ** 0.5  # a (A - a) / A^2 / (A + 1) with a = 1 and A = 4
    assert close(weights, 0.25, deviation)
    assert close((weights - 0.25) ** 2, deviation**2, 2 * deviation**2)


def test_bernoulli_draws_every_combination_but_none() -> None:
    weights = run(RLW(distribution="bernoulli"), LOSSES[:, :3])
    codes = (weights @ [4, 2, 1]).astype(int)
    counts = np.bincount(codes, minlength=8)
    assert counts[0] == 0
    share = 1 / 7
    assert (abs(counts[1:] - 1500 * share) < DEVIATIONS * (1500 * share * (1 - share)) ** 0.5).all()


@pytest.mark.parametrize(("chosen", "ones"), [(1, 1), (3, 3), (9, 4)])
def test_constrained_draws_as_many_as_asked(chosen: int, ones: int) -> None:
    weights = run(RLW(distribution="constrained", chosen=chosen), LOSSES)
    assert set(np.unique(weights)) <= {0.0, 1.0}
    assert (weights.sum(1) == ones).all()
    assert close(weights, ones / 4, 0.5)


def test_draws_depend_on_the_seed_and_the_step_alone() -> None:
    first, again, other = RLW(seed=1), RLW(seed=1), RLW(seed=2)
    one, two = step(first, named([1.0, 2.0])), step(first, named([1.0, 2.0]))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(step(again, named([3.0, 4.0])), one)
    np.testing.assert_array_equal(step(again, named([4.0, 3.0], "ba"))[::-1], two)
    assert not np.array_equal(step(other, named([1.0, 2.0])), one)


def test_an_unknown_distribution_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'dirichlet'"):
        RLW(distribution="dirichlett")  # type: ignore[arg-type]
