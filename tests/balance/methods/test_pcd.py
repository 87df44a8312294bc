from __future__ import annotations

import pytest
from tests.balance.methods.gradients import close, random_rows, update, weights
from torchjd.aggregation import PCDWeighting

from polytask.balance import PCD
from polytask.errors import InputError


def test_by_hand() -> None:
    # along (0, 1) at least a quarter of a unit step: (1, -1) / sqrt 2 becomes (1 / sqrt 2, 0.25),
    # with the length of (1, -1)
    found = update(PCD(primary="a", tau=0.25), [[1.0, -1.0], [0.0, 5.0]])
    close(found[0] / found[1], 2.0**1.5)
    close(found.norm(), 2.0**0.5)


@pytest.mark.parametrize("tasks", [2, 3, 10])
@pytest.mark.parametrize("tau", [0.02, 0.5])
def test_as_torchjd_over_several_steps(tasks: int, tau: float) -> None:
    ours, theirs = PCD(primary="a", tau=tau, beta=0.9), PCDWeighting(tau=tau, beta=0.9, eps=0.0)
    for step in range(5):
        rows = random_rows(tasks, seed=step)
        close(weights(ours, rows), theirs(rows @ rows.T), rtol=1e-8)


def test_the_primary_gradient_alone_where_others_cannot_all_be_helped() -> None:
    close(weights(PCD(primary="a"), [[1.0, 0.0], [0.0, 1.0], [0.0, -2.0]]), [1.0, 0.0, 0.0])
    close(update(PCD(primary="a", tau=0.0), [[1.0, 1.0], [0.0, 1.0], [0.0, -2.0]]), [2**0.5, 0.0])


def test_nothing_is_left() -> None:
    close(weights(PCD(primary="a"), [[0.0, 0.0], [1.0, 1.0]]), [0.0, 0.0])
    close(update(PCD(primary="a", tau=0.0), [[1.0, 1.0], [-1.0, -1.0]]), [0.0, 0.0])


def test_any_task_may_be_the_primary_one() -> None:
    rows = random_rows(3)
    close(update(PCD(primary="c"), rows), update(PCD(primary="a"), rows[[2, 0, 1]]))


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="unknown primary task 'x'"):
        weights(PCD(primary="x"), random_rows(2))
    with pytest.raises(InputError, match="tau must be from 0 to 1"):
        PCD(primary="a", tau=2.0)
    with pytest.raises(InputError, match="leave priorities out"):
        PCD(primary="a", priorities={"a": 2.0})
