from __future__ import annotations

import numpy as np
import torch
from tests.balance.methods.steps import named, random_losses, step

from polytask.balance import GeometricMean


def test_weights_by_hand() -> None:
    weights = step(GeometricMean(), named([2.0, 8.0]))
    np.testing.assert_allclose(weights, [4 / (2 * 2), 4 / (2 * 8)])


def test_weights_are_the_derivatives_of_the_mean() -> None:
    values = torch.tensor(random_losses(1, 7)[0], requires_grad=True)
    values.prod().pow(1 / 7).backward()
    np.testing.assert_allclose(step(GeometricMean(), named(values.tolist())), values.grad)


def test_forty_tasks_whose_product_overflows() -> None:
    names = [f"task {i}" for i in range(40)]
    large = step(GeometricMean(), named([1e10] * 40, names))
    np.testing.assert_allclose(large, 1 / 40)


def test_a_loss_of_zero_is_left_out() -> None:
    weights = step(GeometricMean(), named([2.0, 0.0, 8.0]))
    np.testing.assert_allclose(weights, [1.0, 0.0, 0.25])
    assert step(GeometricMean(), named([0.0, 0.0])).tolist() == [0.0, 0.0]
