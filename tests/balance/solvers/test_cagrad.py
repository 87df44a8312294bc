from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from tests.balance.solvers.families import conflicting, gradients, gramian, half_space, plain
from tests.balance.solvers.kkt import apart, of_cagrad

from polytask.balance.solvers import cagrad

EXACT = 1e-8


def solved(rows: list[list[float]] | np.ndarray, c: float) -> np.ndarray:
    found: np.ndarray = cagrad(gramian(np.asarray(rows)), c).numpy()
    return found


def test_two_tasks_by_hand() -> None:
    # g_0 = (0.5, 1.5) helps (1, 0) least: all of the radius goes to it
    radius = 0.1 * np.sqrt(2.5)
    assert solved([[1.0, 0.0], [0.0, 3.0]], 0.1) == pytest.approx([0.5 + radius, 0.5])
    # both are equally far from g_0, which stretches
    assert solved([[2.0, 0.0], [0.0, 2.0]], 0.5) == pytest.approx([0.75, 0.75])


def test_one_task_and_no_radius() -> None:
    assert solved([[3.0, 4.0]], 0.4) == pytest.approx([1.4])
    assert (solved(plain(np.random.default_rng(0), 4, 0), 0.0) == 0.25).all()


@given(rows=gradients(), c=st.sampled_from([0.1, 0.4, 0.9, 1.5]))
@settings(max_examples=80, deadline=None)
def test_optimal(rows: np.ndarray, c: float) -> None:
    assume(np.linalg.norm(rows, axis=1).all() and apart(rows))
    optimality, radius = of_cagrad(rows, solved(rows, c), c)
    assert optimality <= EXACT
    assert radius <= EXACT


@pytest.mark.parametrize("family", [plain, half_space])
def test_optimal_for_a_hundred_tasks(family) -> None:
    rng = np.random.default_rng(0)
    rows = family(rng, 100, 1e-2) * 10 ** rng.uniform(-6, 6, (100, 1))
    assert max(of_cagrad(rows, solved(rows, 0.4), 0.4)) <= EXACT


@pytest.mark.parametrize("c", [0.2, 0.8])
def test_as_a_general_solver(c: float) -> None:
    """The shares w of the paper, with a mean that is weighted."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        rows, shares = conflicting(rng, 5, 0.3), rng.dirichlet(np.ones(5))
        products = rows @ rows.T
        radius = c * np.sqrt(shares @ products @ shares)
        w = minimize(
            lambda w, g=products, u=shares, r=radius: w @ g @ u + r * np.sqrt(w @ g @ w),
            np.full(5, 0.2),
            bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-15, "maxiter": 1000},
        ).x
        expected = shares + radius * w / np.sqrt(w @ products @ w)
        found = cagrad(torch.from_numpy(products), c, torch.from_numpy(shares)).numpy()
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_zero_gradient_is_left_out_of_the_minimum() -> None:
    rows = np.array([[1.0, 0.5], [0.0, 0.0], [-0.5, 1.0]])
    found = solved(rows, 0.4)
    mean = rows.sum(0) / 3
    alone = cagrad(gramian(rows[[0, 2]]), 0.4, torch.full((2,), 1 / 3).double()).numpy()
    assert found == pytest.approx([alone[0], 1 / 3, alone[1]])
    assert np.linalg.norm(found @ rows - mean) == pytest.approx(0.4 * np.linalg.norm(mean))
    assert (solved(np.zeros((3, 2)), 0.4) == 1 / 3).all()


def test_what_is_added_fades_towards_a_stationary_point() -> None:
    """Between two gradients that are nearly opposite, and a third that neither of them hurts."""
    angles = np.geomspace(1e-2, 1e-8, 61)
    updates = []
    for angle in angles:
        sides = np.array([[np.cos(angle), np.sin(angle), 0], [-np.cos(angle), np.sin(angle), 0]])
        rows = np.concatenate([sides, [[0.0, 0.0, 1.0]]])
        updates.append(solved(rows, 0.9) @ rows)
    away = np.array(updates)[:, 1]  # from both gradients alike
    assert away[angles > 1e-4] == pytest.approx(0.3, rel=0.05)
    assert (np.diff(away) < 0).all()
    assert np.abs(np.diff(away)).max() < 0.1
    assert 0 < away[-1] < 1e-3


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e9])
def test_never_zero_where_a_step_helps_all(scale: float) -> None:
    rows = scale * np.array([[1.0, 1e-3], [-1.0, 1e-3]])
    assert solved(rows, 0.4) @ rows / scale == pytest.approx([0, 1.4e-3], abs=1e-9)
