from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import as_rows, close, random_rows, update, weights
from torch import Tensor
from torchjd.aggregation import PCGradWeighting

from polytask.balance import PCGrad
from polytask.balance.methods.pcgrad import projected


def by_the_book(rows: Tensor, order: Tensor) -> Tensor:
    """Algorithm 1, one gradient after the other."""
    found = rows.clone()
    for task, others in enumerate(order.tolist()):
        for other in others:
            along = found[task] @ rows[other]
            if other != task and along < 0:
                found[task] -= along / (rows[other] @ rows[other]) * rows[other]
    return found


def test_by_hand() -> None:
    rows = [[1.0, 0.0], [-1.0, 1.0]]
    # (1, 0) loses half of (1, -1), so (0.5, 0.5) is left; (-1, 1) loses -(1, 0)
    close(update(PCGrad(), rows), [0.5, 1.5])
    close(weights(PCGrad(), rows), [2.0, 1.5])


def test_gradients_that_agree_are_added() -> None:
    close(weights(PCGrad(), [[1.0, 0.0], [1.0, 1.0], [0.0, 3.0]]), [1.0, 1.0, 1.0])


@pytest.mark.parametrize("tasks", [2, 3, 10])
@pytest.mark.parametrize("spread", [0, 3])
def test_every_order_as_in_the_paper(tasks: int, spread: int) -> None:
    lengths = torch.logspace(-spread, spread, tasks, dtype=torch.float64)[:, None]
    rows = lengths * random_rows(tasks, width=4)
    for seed in range(5):
        order = torch.rand(tasks, tasks, generator=torch.Generator().manual_seed(seed)).argsort(1)
        found = projected(rows @ rows.T, order) @ rows
        gaps = (found - by_the_book(rows, order)).norm(dim=1) / rows.norm(dim=1)
        assert gaps.max() < 1e-12


def test_two_tasks_as_torchjd() -> None:
    """For more tasks its random orders are others."""
    for seed in range(10):
        rows = random_rows(2, seed=seed)
        close(weights(PCGrad(), rows), PCGradWeighting()(rows @ rows.T))


def test_orders_are_drawn_anew_at_every_step_and_from_the_seed() -> None:
    rows = random_rows(6, width=4)
    same, other = PCGrad(seed=3), PCGrad(seed=4)
    first, second = weights(same, rows), weights(same, rows)
    assert not torch.equal(first, second)
    assert torch.equal(weights(PCGrad(seed=3), rows), first)
    assert not torch.equal(weights(other, rows), first)


def test_priorities_weigh_the_projected_gradients() -> None:
    rows = as_rows([[1.0, 0.0], [-1.0, 1.0]])
    found = update(PCGrad(priorities={"a": 3.0}), rows)
    close(found, 2 * (0.75 * as_rows([0.5, 0.5]) + 0.25 * as_rows([0.0, 1.0])))
