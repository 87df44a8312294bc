from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, losses, random_rows, weights

from polytask.balance import MGDA, MoDo
from polytask.errors import InputError


def test_by_hand() -> None:
    # shares 0.5 each; slope (0.5 + 0.05, 2 + 0.05); 0.1 of it off, then 0.13 on both
    balancer = MoDo(step_size=0.1)
    close(weights(balancer, [[1.0, 0.0], [0.0, 2.0]]), [0.575, 0.425])
    # slope (0.6325, 1.7425)
    close(weights(balancer, [[1.0, 0.0], [0.0, 2.0]]), [0.575 + 0.0555, 0.425 - 0.0555])


def test_of_constant_gradients_it_finds_the_shortest_vector() -> None:
    rows = random_rows(4, width=6)
    balancer = MoDo(step_size=0.05, ridge=0.0)
    for _ in range(1000):
        found = weights(balancer, rows)
    shortest = MGDA().from_gramian(rows @ rows.T, losses([1.0] * 4))
    close(found @ rows, shortest @ rows, rtol=1e-4)


def test_independent_noise_does_not_move_the_shares() -> None:
    """The noise of the first task is twice as long as its gradient; its product is not biased."""
    mean = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double()
    noise = torch.tensor([[2.0], [0.0]]).double()
    generator = torch.Generator().manual_seed(0)
    apart, same, kept = MoDo(step_size=2e-3, ridge=0.0), MoDo(step_size=2e-3, ridge=0.0), []
    for _ in range(4000):
        first, second = (mean + noise * torch.randn(2, 2, generator=generator) for _ in range(2))
        kept.append(apart.from_gramian(first @ second.T, losses([1.0] * 2)))
        biased = same.from_gramian(first @ first.T, losses([1.0] * 2))
    assert abs(float(torch.stack(kept)[1000:].mean(0)[0]) - 0.5) < 0.05
    assert float(biased[0]) < 0.2


def test_absent_tasks_keep_their_share() -> None:
    balancer = MoDo(step_size=0.1)
    rows = random_rows(3, width=4)
    weights(balancer, rows)
    before = balancer.kept.get(["a", "b", "c"])
    weights(balancer, rows[:2])
    after = balancer.kept.get(["a", "b", "c"])
    torch.testing.assert_close(after[2], before[2])
    assert not torch.equal(after[:2], before[:2])


def test_bad_options() -> None:
    with pytest.raises(InputError, match="step_size must be positive"):
        MoDo(step_size=0.0)
    with pytest.raises(InputError, match="leave priorities out"):
        MoDo(priorities={"a": 2.0})
