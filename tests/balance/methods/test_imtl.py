from __future__ import annotations

from typing import Literal

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, weights
from torchjd.aggregation import IMTLGWeighting

from polytask.balance import IMTL, IMTLG
from polytask.errors import InputError
from polytask.testing.problem import NAMES, Problem


def test_first_weights_are_those_of_imtl_g() -> None:
    rows = random_rows(4)
    close(weights(IMTL(), rows, [2.0, 1.0, 3.0, 0.5]), weights(IMTLG(), rows))


def test_as_scaled_losses_with_torch_s_adam_and_torchjd() -> None:
    """The gradients that torchjd sees are those of exp(s) L."""
    scale = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam, balancer = torch.optim.Adam([scale], lr=0.05), IMTL(learning_rate=0.05)
    for step in range(20):
        rows = random_rows(3, seed=step)
        values = torch.rand(3, generator=torch.Generator().manual_seed(step)).double() * 5
        scaled = scale.detach().exp()[:, None] * rows
        expected = scale.detach().exp() * IMTLGWeighting()(scaled @ scaled.T)
        factors = scale.detach().exp()
        adam.zero_grad()
        (scale.exp() * values - scale).sum().backward()
        adam.step()
        close(weights(balancer, rows, values.tolist()), expected)
        close(balancer.own_weights("abc", None), factors)


@pytest.mark.parametrize("choice", [None, "plain", "weighted"])
def test_the_parameters_of_a_task_get_the_gradient_of_its_scaled_loss(
    choice: Literal["plain", "weighted"] | None,
) -> None:
    balancer, problem, plain = IMTL(task_gradients=choice), Problem(), Problem()
    scales = torch.tensor([1.1, 1.2, 1.3, 1.4], dtype=torch.float64)
    balancer.log_scale.put(NAMES, scales.log())
    info = problem.differentiate(balancer, *problem.losses())
    factors = {None: scales, "plain": torch.ones(4), "weighted": info.weights}[choice]
    for factor, (name, loss) in zip(factors.tolist(), plain.losses()[0].items(), strict=True):
        weight = plain.heads[name].weight
        (expected,) = torch.autograd.grad(factor * loss, weight, retain_graph=True)
        torch.testing.assert_close(problem.heads[name].weight.grad, expected)


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="learning_rate must be positive, got 0"):
        IMTL(learning_rate=0.0)
    with pytest.raises(InputError, match="imtl: the loss of 'a' is negative"):
        weights(IMTL(), random_rows(2), [-1.0, 1.0])
