from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import aggregated, close, random_rows

from polytask.balance import DBMTL
from polytask.errors import InputError
from polytask.testing.problem import NAMES, Problem


def test_by_hand() -> None:
    # of the logarithms (1, 0) and (0, 3), halved by the first average; both become 3 / 2 long
    balancer = DBMTL(momentum=0.5)
    close(aggregated(balancer, [[2.0, 0.0], [0.0, 12.0]], [2.0, 4.0]), [1.5, 1.5])
    # (0.5, 0) and (0, 1.5) half way to (0, 2) and (-2, 0): (0.25, 1), and (-1, 0.75) of length 1.25
    factor = 1.25 / (0.25**2 + 1) ** 0.5
    found = aggregated(balancer, [[0.0, 2.0], [-2.0, 0.0]])
    close(found, [0.25 * factor - 1, factor + 0.75])


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.5)])
def test_on_a_model_as_logarithms_by_autograd(momentum: float, decay: float) -> None:
    problem, plain = Problem(), Problem()
    balancer = DBMTL(momentum=momentum, momentum_decay=decay)
    average, trunk = torch.zeros(4, 1), list(plain.trunk.parameters())
    for time in range(1, 4):
        problem.differentiate(balancer, *problem.losses())
        logarithms = [loss.log() for loss in plain.losses()[0].values()]
        grads = [torch.autograd.grad(loss, trunk, retain_graph=True) for loss in logarithms]
        rows = torch.stack([torch.cat([part.flatten() for part in each]) for each in grads])
        average = rows + momentum / time**decay * (average - rows)
        lengths = average.norm(dim=1, keepdim=True)
        expected = (average * lengths.max() / lengths).sum(0)
        found = torch.cat([parameter.grad.flatten() for parameter in problem.trunk.parameters()])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        for name, loss in zip(NAMES, logarithms, strict=True):
            (head,) = torch.autograd.grad(loss, plain.heads[name].weight, retain_graph=True)
            torch.testing.assert_close(problem.heads[name].weight.grad, head)


def test_a_loss_of_zero_has_no_gradient() -> None:
    close(aggregated(DBMTL(momentum=0.0), [[2.0, 0.0], [0.0, 1.0]], [2.0, 0.0]), [1.0, 0.0])


def test_priorities_are_proportions_of_the_lengths() -> None:
    found = aggregated(DBMTL(momentum=0.0, priorities={"a": 3.0}), [[2.0, 0.0], [0.0, 1.0]])
    close(found, [3.0, 1.0])


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="momentum must be from 0 to below 1"):
        DBMTL(momentum=1.0)
    with pytest.raises(InputError, match="db_mtl: the loss of 'a' is negative"):
        aggregated(DBMTL(), random_rows(2), [-1.0, 1.0])
