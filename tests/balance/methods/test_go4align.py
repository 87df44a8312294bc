from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.balance.methods.steps import named, random_losses, run, step

from polytask.balance import GO4Align


def grouped(values: np.ndarray, groups: int) -> np.ndarray:
    """The best of all ways to put the values into groups, tried one by one."""
    best, found = np.inf, values
    for chosen in product(range(groups), repeat=len(values)):
        members = [np.array(chosen) == group for group in range(groups)]
        means = sum(m * values[m].mean() for m in members if m.any())
        error = float(((values - means) ** 2).sum())
        if error < best:
            best, found = error, means
    return found


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 9])
def test_weights_follow_the_equations(groups: int) -> None:
    values, smoothness = random_losses(12, 4), np.full(4, 0.25)
    found = run(GO4Align(groups=groups, step_size=0.1), values)
    for losses, weights in zip(values, found, strict=True):
        smoothness = smoothness * np.exp(-0.1 * losses)
        smoothness /= smoothness.sum()
        indicators = losses.mean() / losses * smoothness
        np.testing.assert_allclose(weights, grouped(indicators, min(groups, 4)))


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 3))
def test_groups_have_the_least_squared_error(values: list[int], groups: int) -> None:
    losses = 1 / np.array(values, dtype=float)
    indicators = losses.mean() / losses / len(losses)
    found = step(GO4Align(groups=groups, step_size=0.0), named(losses))
    error = ((indicators - found) ** 2).sum()
    assert error == pytest.approx(
        ((indicators - grouped(indicators, groups)) ** 2).sum(), abs=1e-12
    )
    assert len(np.unique(found.round(12))) <= groups


def test_a_loss_of_zero_belongs_to_no_group() -> None:
    weights = step(GO4Align(groups=1), named([0.0, 2.0, 2.0]))
    assert weights[0] == 0
    assert weights[1] == weights[2] > 0
    assert step(GO4Align(), named([0.0, 0.0])).tolist() == [0.0, 0.0]
