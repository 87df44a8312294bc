from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, losses, random_rows, weights
from torch import Tensor

from polytask.balance import GradNorm
from polytask.errors import InputError


def by_the_book(
    norms: list[Tensor], values: list[list[float]], *, alpha: float, rate: float
) -> list[Tensor]:
    """Algorithm 1 with autograd and torch's Adam; the weights of every step."""
    learned = torch.ones(len(norms[0]), dtype=torch.float64, requires_grad=True)
    adam, found = torch.optim.Adam([learned], lr=rate), []
    for lengths, row in zip(norms, values, strict=True):
        found.append(learned.detach().clone())
        ratios = torch.tensor(row).double() / torch.tensor(values[0]).double()
        rates = ratios / ratios.mean()
        scaled = learned * lengths
        target = (scaled.mean() * rates**alpha).detach()
        adam.zero_grad()
        (scaled - target).abs().sum().backward()
        adam.step()
        with torch.no_grad():
            learned *= len(learned) / learned.sum()
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.12, 1.5])
def test_as_in_the_paper_over_many_steps(alpha: float) -> None:
    rows = [random_rows(3, seed=seed) * torch.tensor([[1.0], [3.0], [9.0]]) for seed in range(60)]
    generator = torch.Generator().manual_seed(0)
    values = (0.2 + torch.rand(60, 3, generator=generator)).tolist()
    balancer = GradNorm(alpha=alpha)
    found = [weights(balancer, row, value) for row, value in zip(rows, values, strict=True)]
    expected = by_the_book([row.norm(dim=1) for row in rows], values, alpha=alpha, rate=0.025)
    close(torch.stack(found), torch.stack(expected), rtol=1e-6)


def test_first_update_by_hand() -> None:
    balancer = GradNorm(alpha=1.0, learning_rate=0.5)
    rows = [[1.0, 0.0], [0.0, 3.0]]
    close(weights(balancer, rows, [2.0, 2.0]), [1.0, 1.0])
    # G = 2 and r = (1, 1): the first gradient is too short, the second too long; Adam moves by 0.5
    close(weights(balancer, rows, [2.0, 2.0]), [1.5, 0.5], rtol=1e-6)


def test_the_slow_task_pulls_harder() -> None:
    """The sign of alpha: with gradients of equal lengths, a loss that does not fall gains."""
    balancer = GradNorm(alpha=1.5)
    for step in range(50):
        found = weights(balancer, [[1.0, 0.0], [0.0, 1.0]], [1.0, 0.98**step])
    assert found[0] > 1.2
    assert found[1] < 0.8
    close(found.sum(), 2.0)


def test_without_alpha_the_lengths_become_equal() -> None:
    balancer, rows = GradNorm(alpha=0.0), [[1.0, 0.0], [0.0, 9.0]]
    for _ in range(200):
        found = weights(balancer, rows)
    assert abs(found[0] - 9 * found[1]) < 0.5


def test_no_weight_becomes_negative() -> None:
    balancer = GradNorm(learning_rate=5.0)
    for step in range(20):
        found = weights(balancer, random_rows(3, seed=step))
        assert (found > 0).all()
        close(found.sum(), 3.0)


def test_an_absent_task_keeps_its_weight_and_the_sum_of_all_stays() -> None:
    balancer, gramian = GradNorm(), torch.diag(torch.tensor([1.0, 4.0, 9.0]).double())
    balancer.weights(gramian, losses([1.0, 1.0, 1.0]))
    before = balancer.factors.get("abc")
    for _ in range(10):
        balancer.weights(gramian[:2][:, :2], losses([1.0, 1.0]))
    after = balancer.factors.get("abc")
    assert after[2] == before[2]
    assert after[0] != before[0]
    close(after.sum(), 3.0)


def test_losses_of_zero_and_below() -> None:
    balancer, rows = GradNorm(), [[1.0], [1.0]]
    close(weights(balancer, rows, [0.0, 0.0]), [1.0, 1.0])
    weights(balancer, rows, [0.0, 3.0])
    assert set(balancer.initial.values) == {"b"}
    with pytest.raises(InputError, match=r"the loss of 'a' is negative \(-1\)"):
        weights(balancer, rows, [-1.0, 3.0])


def test_priorities_are_proportions_of_the_lengths() -> None:
    balancer = GradNorm(alpha=0.0, priorities={"a": 3.0})
    for _ in range(200):
        found = weights(balancer, [[1.0, 0.0], [0.0, 1.0]])
    assert abs(found[0] - 3 * found[1]) < 0.3


def test_what_it_refuses() -> None:
    for options in ({"alpha": -1.0}, {"learning_rate": 0.0}):
        with pytest.raises(InputError, match="alpha must not be negative and learning_rate"):
            GradNorm(**options)
