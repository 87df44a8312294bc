from __future__ import annotations

import numpy as np
import torch
from tests.balance.methods.steps import named, random_losses, run, step

from polytask.balance import IMTLL


def test_weights_follow_the_paper_s_total_and_adam() -> None:
    values = random_losses(30, 3)
    scale = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([scale], lr=0.05)
    expected = []
    for row in torch.tensor(values):
        expected.append(scale.exp().detach().numpy())
        adam.zero_grad()
        (scale.exp() * row - scale).sum().backward()
        adam.step()
    np.testing.assert_allclose(run(IMTLL(learning_rate=0.05), values), expected, rtol=1e-12)


def test_scaled_losses_come_to_one() -> None:
    balancer = IMTLL(learning_rate=0.1)
    for _ in range(300):
        weights = step(balancer, named([0.2, 5.0]))
    np.testing.assert_allclose(weights * [0.2, 5.0], 1.0, rtol=1e-3)
