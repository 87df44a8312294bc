from __future__ import annotations

import numpy as np
import torch
from tests.balance.methods.steps import named, random_losses, step

from polytask.balance import TaskContext, UncertaintyWeighting

REGRESSION = {"b": TaskContext(kind="regression")}


def test_first_weights_are_those_of_unit_variance() -> None:
    weights = step(UncertaintyWeighting(), named([1.0, 1.0]), REGRESSION)
    assert weights.tolist() == [1.0, 0.5]


def test_weights_follow_the_paper_s_total_and_adam() -> None:
    values = random_losses(30, 2)
    log_variance = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([log_variance], lr=0.05)
    factor, expected = torch.tensor([1.0, 0.5]), []
    for row in torch.tensor(values):
        expected.append((factor * torch.exp(-log_variance)).detach().numpy())
        total = (factor * torch.exp(-log_variance) * row + log_variance / 2).sum()
        adam.zero_grad()
        total.backward()
        adam.step()
    balancer = UncertaintyWeighting(learning_rate=0.05)
    found = [step(balancer, named(row), REGRESSION) for row in values]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_noise_of_a_steady_loss_is_found() -> None:
    balancer = UncertaintyWeighting(learning_rate=0.1)
    for _ in range(300):
        weights = step(balancer, named([4.0, 4.0]), REGRESSION)
    np.testing.assert_allclose(weights, [0.5 / 4, 0.5 / 4], rtol=1e-3)
