from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from tests.balance.solvers.families import (
    agreeing,
    collinear,
    conflicting,
    gradients,
    gramian,
    half_space,
)
from tests.balance.solvers.kkt import of_projection

from polytask.balance.solvers import project

EXACT = 1e-8


def projected(rows: list[list[float]] | np.ndarray, references: np.ndarray) -> np.ndarray:
    found: np.ndarray = project(gramian(np.asarray(rows)), torch.from_numpy(references)).numpy()
    return found


def test_two_tasks_by_hand() -> None:
    # beside (-1, 1), (1, 0) becomes (0.5, 0.5); beside (1, 0), (-1, 1) becomes (0, 1)
    found = projected([[1.0, 0.0], [-1.0, 1.0]], np.eye(2))
    assert found == pytest.approx(np.array([[1, 0.5], [1, 1]]))


def test_three_tasks_by_hand() -> None:
    # they become (-1, -1, 2) / 6, (0, 0, 2) and (0, -1, 1) / 2
    rows = [[-1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, -1.0, 0.0]]
    found = projected(rows, np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]))
    assert found == pytest.approx(np.array([[1, 1 / 3, 0.5], [4, 2, 2], [1.5, 0.5, 1]]))


def test_what_hurts_nobody_stays() -> None:
    rows = agreeing(np.random.default_rng(0), 8, 0)
    references = np.random.default_rng(1).exponential(size=(3, 8))
    assert (projected(rows, references) == references).all()


def test_opposite_gradients_leave_nothing() -> None:
    rows, references = [[1.0, 2.0], [-1e-3, -2e-3]], np.array([[1.0, 0.0], [1.0, 1.0]])
    found = projected(rows, references)
    assert (found >= references).all()
    assert found @ rows == pytest.approx(np.zeros((2, 2)), abs=1e-12)


def test_a_zero_gradient_keeps_its_weight() -> None:
    rows = [[1.0, 0.0], [0.0, 0.0], [-1.0, 1.0]]
    found = projected(rows, np.array([[1.0, 5.0, 0.0], [0.0, 0.0, 0.0]]))
    assert found == pytest.approx(np.array([[1, 5, 0.5], [0, 0, 0]]))


@given(rows=gradients(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_optimal(rows: np.ndarray, seed: int) -> None:
    count = len(rows)
    random = np.random.default_rng(seed).exponential(size=(1, count))
    references = np.concatenate([np.eye(count), np.full((1, count), 1 / count), random])
    for found, reference in zip(projected(rows, references), references, strict=True):
        assert of_projection(rows, found, reference) <= EXACT


@pytest.mark.parametrize("family", [collinear, half_space])
def test_optimal_for_a_hundred_tasks(family) -> None:
    rng = np.random.default_rng(0)
    rows = family(rng, 100, 1e-3) * 10 ** rng.uniform(-6, 6, (100, 1))
    for found, reference in zip(projected(rows, np.eye(100)), np.eye(100), strict=True):
        assert of_projection(rows, found, reference) <= EXACT


@pytest.mark.parametrize("seed", range(5))
def test_as_nonnegative_least_squares(seed: int) -> None:
    """What is added to a gradient makes it as short as possible."""
    rows = conflicting(np.random.default_rng(seed), 12, 0.3)
    found = projected(rows, np.eye(12))
    for task in range(12):
        others = np.delete(np.arange(12), task)
        expected, _ = nnls(rows[others].T, -rows[task])
        assert found[task, task] == 1
        assert found[task, others] == pytest.approx(expected, abs=1e-10)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 20), spread=st.sampled_from([3, 6]))
@settings(max_examples=30, deadline=None)
def test_the_sum_hurts_no_task_in_float32(seed: int, count: int, spread: int) -> None:
    """Gradients and their sum in float32, as in training; lengths up to 1e12 apart."""
    rng = np.random.default_rng(seed)
    lengths = 10 ** rng.uniform(-spread, spread, (count, 1))
    rows = torch.from_numpy(conflicting(rng, count, 0.1) * lengths).float()
    products = rows.double() @ rows.double().T
    weights = project(products, torch.eye(count, dtype=torch.float64)).sum(0)
    update = (weights.float() @ rows).double()
    cosines = rows.double() @ update / (rows.double().norm(dim=1) * update.norm())
    assert cosines.min() >= -1e-6
