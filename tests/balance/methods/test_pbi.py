from __future__ import annotations

import numpy as np
import torch
from tests.balance.methods.steps import named, random_losses, step

from polytask.balance import PBI


def test_weights_by_hand() -> None:
    # Losses 3 and 1: 2 sqrt(2) along the diagonal, sqrt(2) beside it towards the first.
    ray = np.array([1.0, 1.0]) / 2**0.5
    beside = np.array([1.0, -1.0]) / 2**0.5
    np.testing.assert_allclose(step(PBI(penalty=0.5), named([3.0, 1.0])), ray + 0.5 * beside)


def test_weights_are_the_derivatives_of_the_total() -> None:
    values = torch.tensor(random_losses(1, 4)[0], requires_grad=True)
    ray = torch.tensor([2.0, 1.0, 1.0, 0.5]).double()
    ray = ray / ray.norm()
    place = values - torch.tensor([0.0, 0.0, 0.1, 0.0])
    along = place @ ray
    (along + 5 * (place - along * ray).norm()).backward()
    balancer = PBI(preferences={"a": 2.0, "d": 0.5}, ideal={"c": 0.1})
    np.testing.assert_allclose(step(balancer, named(values.tolist())), values.grad, rtol=1e-6)


def test_on_the_ray_the_weights_are_the_ray() -> None:
    balancer = PBI(preferences={"b": 3.0})
    for scale in (1e-10, 0.1, 1e10):
        weights = step(balancer, named([scale, 3 * scale]))
        np.testing.assert_allclose(weights, np.array([1.0, 3.0]) / 10**0.5)
    assert step(PBI(), named([0.7])).tolist() == [1.0]
