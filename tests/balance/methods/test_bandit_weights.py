from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from tests.balance.methods.steps import named, random_losses, run, softmax, step

from polytask.balance import BanditWeights


def divergence(weights: np.ndarray) -> float:
    return float((weights * np.log(weights)).sum() + np.log(len(weights)))


def temperature(logits: np.ndarray, limit: float) -> float:
    """The lowest from 1 at which the softmax is within the limit."""
    if divergence(softmax(logits)) <= limit:
        return 1.0
    return brentq(lambda t: divergence(softmax(logits / t)) - limit, 1, 1e6, xtol=1e-13)


@pytest.mark.parametrize("limit", [0.01, 0.2, 5.0])
def test_weights_follow_the_paper_s_update(limit: float) -> None:
    values, weights = random_losses(40, 4), np.full(4, 0.25)
    found = run(BanditWeights(limit=limit, step_size=0.3), values)
    for losses, given in zip(values, found, strict=True):
        np.testing.assert_allclose(given, weights, rtol=1e-9)
        moved = np.log(weights) + 0.3 * losses
        weights = softmax(moved / temperature(moved, limit))


def test_weights_stay_within_the_limit_and_reach_it() -> None:
    values = np.tile([1.0, 2.0, 0.5], (200, 1))
    found = run(BanditWeights(limit=0.3), values)
    divergences = [divergence(weights) for weights in found]
    assert max(divergences) <= 0.3 + 1e-12
    assert divergences[-1] == pytest.approx(0.3, abs=1e-9)
    assert found[-1].argmax() == 1


@pytest.mark.parametrize("tasks", [2, 40])
def test_losses_of_any_size_stay_within_the_limit(tasks: int) -> None:
    names = [f"task {i}" for i in range(tasks)]
    balancer = BanditWeights(limit=0.5)
    for exponent in (10.0, -10.0, 10.0):
        step(balancer, named(10.0 ** np.linspace(-exponent, exponent, tasks), names))
    weights = step(balancer, named([1.0] * tasks, names))
    there = weights[weights > 0]
    assert float((there * np.log(there)).sum() + np.log(tasks)) <= 0.5 + 1e-9
    assert weights.sum() == pytest.approx(1.0)


def test_tasks_in_the_step_keep_their_weight_together() -> None:
    balancer = BanditWeights()
    run(balancer, random_losses(5, 3))
    before = step(balancer, named([1.0, 1.0, 1.0]))
    step(balancer, named([3.0, 0.1]))
    after = step(balancer, named([1.0, 1.0, 1.0]))
    assert after[0] > before[0]
    assert after[2] == pytest.approx(before[2])
