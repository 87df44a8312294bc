from __future__ import annotations

import numpy as np
from tests.balance.methods.steps import named, random_losses, run, softmax, step

from polytask.balance import DWA


def test_weights_by_hand() -> None:
    balancer = DWA(period=1)
    found = run(balancer, np.array([[2.0, 4.0], [1.0, 4.0], [5.0, 5.0]]))
    np.testing.assert_allclose(found[:2], 1.0)
    powers = np.exp([0.5 / 2, 1.0 / 2])  # ratios of the first two losses, temperature 2
    np.testing.assert_allclose(found[2], 2 * powers / powers.sum())


def test_weights_follow_the_ratio_of_the_means_of_two_periods() -> None:
    values, period = random_losses(40, 3), 4
    means = values.reshape(10, period, 3).mean(1)
    expected = np.ones((10, 3))
    expected[2:] = 3 * softmax(means[1:-1] / means[:-2] / 1.5)
    found = run(DWA(period=period, temperature=1.5), values)
    np.testing.assert_allclose(found, expected.repeat(period, axis=0))


def test_a_task_that_was_absent_counts_its_own_steps() -> None:
    balancer = DWA(period=1)
    for row in ([2.0], [1.0], [1.0]):
        step(balancer, named(row, "a"))
    both = step(balancer, named([1.0, 7.0]))
    np.testing.assert_allclose(both, 1.0)  # 1 / 1, and no ratio yet
