from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.balance.solvers.families import gradients, gramian, half_space, plain
from tests.balance.solvers.kkt import apart, of_nash

from polytask.balance.solvers import nash

EXACT = 1e-8


def solved(rows: list[list[float]] | np.ndarray, power: float = 1.0) -> np.ndarray:
    found: np.ndarray = nash(gramian(np.asarray(rows)), power).numpy()
    return found


@pytest.mark.parametrize("cosine", [-0.999, -0.5, 0.0, 0.9, 1.0])
def test_two_tasks_in_closed_form(cosine: float) -> None:
    rows = np.array([[3.0, 0.0], [1e-4 * cosine, 1e-4 * np.sqrt(1 - cosine**2)]])
    expected = 1 / np.array([3, 1e-4]) / np.sqrt(1 + cosine)
    assert solved(rows) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("power", [0.1, 0.5, 1.0, 3.0])
def test_other_powers_in_closed_form(power: float) -> None:
    lengths = np.array([1e-3, 0.7, 1.0, 2e3])
    assert solved(np.diag(lengths), power) == pytest.approx(
        lengths ** (-2 / (1 + power)), rel=1e-12
    )
    together = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert solved(together, power) == pytest.approx(1.6 ** (-1 / (1 + power)))


@given(
    rows=gradients(),
    power=st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.0]),
    ratio=st.sampled_from([1.0, 2.0, 100.0]),
)
@settings(max_examples=100, deadline=None)
def test_solves_the_equation(rows: np.ndarray, power: float, ratio: float) -> None:
    """Where power 1 begins to fade at cosines of 1e-5, power 0.1 does at 2e-3."""
    closest = 10 * 1e-5 ** min((1 + power) / 2, 1)
    assume(np.linalg.norm(rows, axis=1).all() and apart(rows, closest))
    importance = np.geomspace(1, ratio, len(rows))
    found = nash(gramian(rows), power, torch.from_numpy(importance)).numpy()
    assert (found > 0).all()
    assert of_nash(rows, found, power, importance) <= EXACT


@pytest.mark.parametrize("family", [plain, half_space])
def test_solves_the_equation_for_a_hundred_tasks(family) -> None:
    rng = np.random.default_rng(0)
    rows = family(rng, 100, 1e-2) * 10 ** rng.uniform(-6, 6, (100, 1))
    for power in (0.5, 1.0):
        assert of_nash(rows, solved(rows, power), power) <= EXACT


def test_a_zero_gradient_is_left_out() -> None:
    rows = [[1.0, 0.5], [0.0, 0.0], [-0.5, 1.0]]
    assert solved(rows)[[0, 2]] == pytest.approx(solved([rows[0], rows[2]]))
    assert solved(rows)[1] == 0
    assert (solved(np.zeros((3, 2))) == 0).all()


def test_the_update_fades_towards_a_stationary_point() -> None:
    """Its length is the root of 2 until the angle between two gradients is nearly 180 degrees."""
    angles = np.geomspace(1e-2, 1e-8, 61)
    lengths = []
    for angle in angles:
        rows = np.array([[1.0, 0.0], [-np.cos(angle), np.sin(angle)]])
        lengths.append(np.linalg.norm(solved(rows) @ rows))
    far = angles > 1e-4
    assert np.array(lengths)[far] == pytest.approx(np.sqrt(2), rel=1e-6)
    assert (np.diff(lengths) <= 1e-4).all()
    assert np.abs(np.diff(lengths)).max() < 0.5
    assert lengths[-1] < 2e-3


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_opposite_gradients_leave_the_others(power: float) -> None:
    rows = np.array([[1.0, 2.0, 0.0], [-3.0, -6.0, 0.0], [0.0, 0.0, 4.0]])
    found = solved(rows, power)
    assert np.isfinite(found).all()
    update = found @ rows
    assert update[2] == pytest.approx(4 * 4 ** (-2 / (1 + power)))
    assert np.abs(update[:2]).max() < 0.02 * update[2]
