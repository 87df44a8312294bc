from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.optimize import minimize
from tests.balance.solvers.families import conflicting, gradients, gramian, half_space, plain
from tests.balance.solvers.kkt import of_min_norm

from polytask.balance.solvers import min_norm

EXACT = 1e-8


def solved(rows: list[list[float]] | np.ndarray) -> list[float]:
    found: list[float] = min_norm(gramian(np.asarray(rows))).tolist()
    return found


@pytest.mark.parametrize("short", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("cosine", [-0.9, 0.0, 0.4])
def test_two_tasks_in_closed_form(short: float, cosine: float) -> None:
    first, second = np.array([1.0, 0.0]), short * np.array([cosine, np.sqrt(1 - cosine**2)])
    share = (second - first) @ second / ((second - first) @ (second - first))
    expected = np.clip([share, 1 - share], 0, 1)
    assert solved(np.stack((first, second))) == pytest.approx(expected, abs=1e-14)


def test_orthogonal_gradients_by_their_inverse_squares() -> None:
    lengths = np.array([1e-3, 2e-3, 4e-3])
    inverse = lengths**-2.0
    assert solved(np.diag(lengths)) == pytest.approx(inverse / inverse.sum(), rel=1e-12)
    assert solved(np.diag([1e-6, 1.0, 1e6])) == pytest.approx([1, 1e-12, 1e-24], rel=1e-9)


def test_the_shortest_alone_if_the_others_agree_with_it() -> None:
    assert solved([[1.0, 0.0], [2.0, 1.0], [3.0, -1.0]]) == [1.0, 0.0, 0.0]


def test_three_tasks_that_cancel_each_other() -> None:
    rows = [[2.0, 0.0], [-1.0, 3.0], [-1.0, -1.0]]
    assert solved(rows) == pytest.approx([1 / 3, 1 / 6, 1 / 2])


def test_zero_gradients_are_the_minimum() -> None:
    assert solved([[1.0, 2.0], [0.0, 0.0], [3.0, -1.0]]) == [0.0, 1.0, 0.0]
    assert solved([[0.0], [1.0], [0.0], [0.0]]) == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])


@given(rows=gradients())
@settings(max_examples=80, deadline=None)
def test_optimal(rows: np.ndarray) -> None:
    assert of_min_norm(rows, min_norm(gramian(rows)).numpy()) <= EXACT


@pytest.mark.parametrize("family", [plain, conflicting, half_space])
def test_optimal_for_a_hundred_tasks(family) -> None:
    rng = np.random.default_rng(0)
    rows = family(rng, 100, 1e-3) * 10 ** rng.uniform(-6, 6, (100, 1))
    assert of_min_norm(rows, min_norm(gramian(rows)).numpy()) <= EXACT


@pytest.mark.parametrize("seed", range(5))
def test_as_a_general_solver(seed: int) -> None:
    rows = conflicting(np.random.default_rng(seed), 6, 0.3)
    products = rows @ rows.T
    theirs = minimize(
        lambda w: w @ products @ w,
        np.full(6, 1 / 6),
        jac=lambda w: 2 * products @ w,
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-15, "maxiter": 1000},
    ).x
    ours = np.array(solved(rows))
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert ours @ products @ ours <= (theirs @ products @ theirs) * (1 + 1e-12)


def test_equal_gradients_give_that_gradient() -> None:
    rows = torch.ones(5, 3, dtype=torch.float64)
    assert min_norm(rows @ rows.T) @ rows == pytest.approx([1.0, 1.0, 1.0])
