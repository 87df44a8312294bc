"""The two-dimensional toy: which starts stay in the valleys, method by method."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from polytask.balance import get
from polytask.testing.toy import STARTS, descend, in_the_valleys, on_the_front, toy

STUCK = {
    "equal": [2],
    "pcgrad": [2],
    "upgrad": [2],
    "mgda": [],
    "nash_mtl": [],
    "fair_grad": [],
    "ntkmtl": [],
    "imtl_g": [],
    "aligned_mtl": [],
    "config": [],
    "scale_invariant": [0, 2],
}
"""Method -> the starts from which it never reaches the front."""
STEPS, LEARNING_RATE, EVERY = 8000, 0.004, 20
"""Enough to leave the valleys; the papers take 50,000 steps of 0.001, as benchmarks/toy.py does."""


@pytest.fixture(scope="module")
def ends() -> dict[str, np.ndarray]:
    makers = {name: partial(get, name) for name in STUCK}
    return descend(makers, steps=STEPS, learning_rate=LEARNING_RATE, every=EVERY)


@pytest.mark.parametrize("method", STUCK)
def test_the_starts_that_stay_in_the_valleys(ends: dict[str, np.ndarray], method: str) -> None:
    assert np.flatnonzero(in_the_valleys(ends[method])).tolist() == STUCK[method]


def test_gradients_are_those_of_the_losses() -> None:
    points, step = np.random.default_rng(0).uniform(-9, 9, (200, 2)), 1e-6
    _, gradients = toy(points)
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        slope = (toy(points + shift)[0] - toy(points - shift)[0]) / (2 * step)
        np.testing.assert_allclose(gradients[:, :, axis], slope, rtol=1e-5, atol=1e-6)


def test_the_front_is_stationary_and_the_starts_are_not_on_it() -> None:
    front = np.array([[-6.9, -8.3552], [0.0, -8.3552], [6.9, -8.3552]])
    _, gradients = toy(front)
    first, second = (
        gradients[:, 0] / np.linalg.norm(gradients[:, 0], axis=1, keepdims=True),
        gradients[:, 1],
    )
    second = second / np.linalg.norm(second, axis=1, keepdims=True)
    np.testing.assert_allclose((first * second).sum(1), -1, atol=0.05)
    assert on_the_front(front).all()
    assert not on_the_front(np.array(STARTS)).any()
