from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import aggregated, close, losses, random_rows
from torchjd.aggregation import ExcessMTLWeighting

from polytask.balance import ExcessMTL
from polytask.errors import InputError
from polytask.testing.problem import NAMES, Problem


def test_by_hand() -> None:
    # S = (9, 16), E = (3, 4); then S = (18, 20), E = (9 / 18^(1/2), 4 / 20^(1/2))
    balancer = ExcessMTL(step_size=2.0)
    close(aggregated(balancer, [[3.0, 0.0], [0.0, 4.0]]), [1.5, 2.0])
    ratios = torch.tensor([9 / 18**0.5 / 3, 4 / 20**0.5 / 4]).double()
    expected = (2 * ratios).softmax(0) * torch.tensor([3.0, 2.0])
    close(aggregated(balancer, [[3.0, 0.0], [0.0, 2.0]]), expected, rtol=1e-7)


@pytest.mark.parametrize("period", [1, 3])
def test_as_torchjd(period: int) -> None:
    """It adds 1e-7 to sums that are about 1e6."""
    balancer = ExcessMTL(step_size=0.7, period=period)
    reference = ExcessMTLWeighting(robust_step_size=0.7, n_warmup_steps=period)
    for seed in range(8):
        rows = 1e3 * (random_rows(4, seed=seed) + 0.1)
        close(aggregated(balancer, rows), reference(rows) @ rows, rtol=1e-5)


def test_the_task_whose_gradients_stay_long_gains() -> None:
    balancer, rows = ExcessMTL(step_size=0.5), torch.eye(2).double()
    for step in range(10):
        found = aggregated(balancer, torch.tensor([[1.0], [0.7**step]]) * rows)
    assert found[0] > 0.6


def test_absent_tasks_keep_their_weight() -> None:
    balancer = ExcessMTL(step_size=1.0)
    for seed in range(3):
        aggregated(balancer, random_rows(3, seed=seed))
    total = balancer.logarithms.get("abc", 0.0).logsumexp(0)
    third = balancer.logarithms.get("c", 0.0)
    balancer.from_gradients(random_rows(2), losses([1.0, 1.0]))
    close(balancer.logarithms.get("abc", 0.0).logsumexp(0), total)
    close(balancer.logarithms.get("c", 0.0), third)


def test_the_parameters_of_a_task_are_weighted_too() -> None:
    problem, plain = Problem(), Problem()
    problem.differentiate(ExcessMTL(priorities={NAMES[0]: 7.0}), *problem.losses())
    for name, loss in plain.losses()[0].items():
        (expected,) = torch.autograd.grad(loss, plain.heads[name].weight, retain_graph=True)
        share = 0.7 if name == NAMES[0] else 0.1
        torch.testing.assert_close(problem.heads[name].weight.grad, share * expected)


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="step_size must be positive and period at least 1"):
        ExcessMTL(step_size=0.0)
    with pytest.raises(InputError, match=r"period at least 1, got 0\.01 and 0"):
        ExcessMTL(period=0)
    balancer = ExcessMTL()
    aggregated(balancer, random_rows(2, width=5))
    with pytest.raises(InputError, match="has 6 numbers, at earlier steps it had 5"):
        aggregated(balancer, random_rows(2, width=6))
