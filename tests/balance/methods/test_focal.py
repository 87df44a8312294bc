from __future__ import annotations

import math

import numpy as np
import pytest
from tests.balance.methods.steps import named, random_losses, run, step

from polytask.balance import Focal, TaskContext
from polytask.errors import InputError


def solved(performance: float) -> dict[str, TaskContext]:
    return {"a": TaskContext(kind="regression", performance=performance)}


def test_weights_by_hand() -> None:
    balancer = Focal(focus=2.0, smoothing=0.25)
    assert step(balancer, named([1.0]), solved(0.6)) == pytest.approx(-(0.4**2) * math.log(0.6))
    # The average is 0.75 x 0.6 + 0.25 x 1.
    assert step(balancer, named([1.0]), solved(1.0)) == pytest.approx(-(0.3**2) * math.log(0.7))


def test_without_a_performance_the_likelihood_stands_for_it() -> None:
    values = random_losses(20, 3)
    average, expected = np.exp(-values[0]), []
    for row in values:
        average = average + 0.1 * (np.exp(-row) - average)
        expected.append(-(1 - average) * np.log(average))
    np.testing.assert_allclose(run(Focal(), values), expected)


def test_the_ends_are_finite() -> None:
    assert step(Focal(), named([1.0]), solved(1.0)) == 0.0
    assert step(Focal(), named([1.0]), solved(0.0)) == pytest.approx(8 * math.log(10))
    assert step(Focal(), named([1e10])) == pytest.approx(8 * math.log(10))


@pytest.mark.parametrize("performance", [-0.1, 1.1, float("nan")])
def test_a_performance_is_a_share(performance: float) -> None:
    with pytest.raises(InputError, match="the performance of 'a' must be from 0 to 1"):
        step(Focal(), named([1.0]), solved(performance))


def test_a_regression_needs_a_performance() -> None:
    with pytest.raises(InputError, match=r"'a' is no classification.*needs a performance"):
        step(Focal(), named([1.0]), {"a": TaskContext(kind="regression")})
