from __future__ import annotations

import math

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, update, weights
from torch import Tensor
from torchjd.aggregation import GradVacWeighting

from polytask.balance import GradVac, PCGrad
from polytask.errors import InputError


def by_the_book(rows: Tensor, order: Tensor, usual: Tensor, beta: float) -> Tensor:
    """Algorithm 1, one gradient after the other; moves ``usual``."""
    found = rows.clone()
    for task, others in enumerate(order.tolist()):
        for other in others:
            if other == task:
                continue
            target = float(usual[task, other])
            length, reach = float(found[task].norm()), float(rows[other].norm())
            cosine = float(found[task] @ rows[other]) / (length * reach)
            if cosine < target:
                sine, target_sine = math.sqrt(1 - cosine**2), math.sqrt(1 - target**2)
                part = length * (target * sine - cosine * target_sine) / (reach * target_sine)
                found[task] += part * rows[other]
            usual[task, other] = (1 - beta) * target + beta * cosine
    return found.sum(0)


@pytest.mark.parametrize("tasks", [2, 3, 8])
def test_as_in_the_paper_over_several_steps(tasks: int) -> None:
    balancer, usual = GradVac(beta=0.3, seed=7), torch.zeros(tasks, tasks, dtype=torch.float64)
    for step in range(6):
        rows = random_rows(tasks, seed=step, width=5) + 0.7
        order = torch.rand(tasks, tasks, generator=balancer.generator(7)).argsort(1)
        close(update(balancer, rows), by_the_book(rows, order, usual, 0.3))


def test_two_tasks_as_torchjd_over_several_steps() -> None:
    ours, theirs = GradVac(beta=0.5), GradVacWeighting(beta=0.5, eps=0.0)
    for step in range(6):
        rows = random_rows(2, seed=step, width=5) + 0.5 * step
        close(weights(ours, rows), theirs(rows @ rows.T))


def test_a_gradient_is_turned_to_the_usual_cosine() -> None:
    balancer = GradVac(beta=1.0)
    weights(balancer, [[1.0, 0.0], [0.6, 0.8]])  # the usual cosine is 0.6 now
    found = weights(balancer, [[1.0, 0.0], [0.0, 2.0]])
    # (1, y) and (y, 2) with cosine 0.6 to the other: y = 0.75 for one, 0.75 of 2 for the other
    close(found @ torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double(), [1 + 1.5, 2 + 0.75])


def test_without_a_moving_average_it_is_pcgrad() -> None:
    rows = random_rows(6, width=4)
    vac, pc = GradVac(beta=0.0), PCGrad()
    for _ in range(3):
        close(update(vac, rows), update(pc, rows))


def test_always_equal_gradients_stay_finite() -> None:
    balancer = GradVac(beta=1.0)
    for _ in range(3):
        close(weights(balancer, [[1.0, 2.0], [1.0, 2.0]]), [1.0, 1.0])
    assert weights(balancer, [[1.0, 0.0], [-1.0, 0.1]]).abs().max() < 3000


def test_new_tasks_begin_at_zero_and_absent_ones_stand_still() -> None:
    balancer = GradVac(beta=1.0)
    two = balancer.from_gramian
    rows = random_rows(3)
    gramian = rows @ rows.T
    one = torch.ones((), dtype=torch.float64)
    two(gramian[:2][:, :2], {"a": one, "b": one})
    first = balancer.usual.get(["a", "b"], 0.0).clone()
    two(gramian[1:][:, 1:], {"b": one, "c": one})
    known = balancer.usual.get(["a", "b", "c"], 0.0)
    close(known[0], [0.0, float(first[0, 1]), 0.0])
    assert known[1, 0] == first[1, 0]
    close(known[1, 2], float(known[2, 1]))
    assert known[1, 2] != 0


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="between 0 and 1, got 2"):
        GradVac(beta=2.0)
