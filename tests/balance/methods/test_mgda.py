from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import as_rows, close, random_rows, update, weights
from torchjd.aggregation import MGDAWeighting

from polytask.balance import MGDA
from polytask.errors import InputError


def test_two_tasks_by_hand() -> None:
    # the point of the line from (2, 0) to (0, 1) that is nearest to 0 is (0.4, 0.8)
    close(update(MGDA(), [[2.0, 0.0], [0.0, 1.0]]), [0.4, 0.8])
    close(weights(MGDA(), [[2.0, 0.0], [0.0, 1.0]]), [0.2, 0.8])
    # no point between (1, 0) and (3, 1) is shorter than the first
    close(weights(MGDA(), [[1.0, 0.0], [3.0, 1.0]]), [1.0, 0.0])


@pytest.mark.parametrize("tasks", [2, 5, 40])
@pytest.mark.parametrize("spread", [0, 3, 6])
def test_the_exact_optimum(tasks: int, spread: int) -> None:
    """Every gradient reaches at least as far along the shortest vector as that is long."""
    lengths = torch.logspace(-spread, spread, tasks, dtype=torch.float64)[:, None]
    rows = lengths * random_rows(tasks, width=60)
    found = weights(MGDA(), rows)
    close(found.sum(), 1.0)
    assert (found >= 0).all()
    shortest = found @ rows
    slack = (rows @ shortest - shortest @ shortest) / (rows.norm(dim=1) * shortest.norm())
    assert (slack >= -1e-8).all()
    assert slack[found > 0].abs().max() < 1e-8


@pytest.mark.parametrize("tasks", [2, 5, 12])
def test_as_torchjd_after_many_of_its_iterations(tasks: int) -> None:
    """Its Frank-Wolfe steps come close: its default of 100 is off by per cents at 40 tasks."""
    rows = random_rows(tasks)
    theirs = MGDAWeighting(epsilon=1e-12, max_iters=20000)(rows @ rows.T) @ rows
    close(update(MGDA(), rows), theirs, rtol=1e-4)


@pytest.mark.parametrize(
    ("normalisation", "sizes"),
    [("l2", [2.0, 1.0]), ("loss", [4.0, 5.0]), ("loss+", [8.0, 5.0])],
)
def test_normalised_gradients_by_hand(normalisation: str, sizes: list[float]) -> None:
    rows, scaled = (
        as_rows([[2.0, 0.0], [0.0, 1.0]]),
        as_rows([[2 / sizes[0], 0.0], [0.0, 1 / sizes[1]]]),
    )
    balancer = MGDA(normalisation=normalisation)  # type: ignore[arg-type]
    close(update(balancer, rows, [4.0, 5.0]), update(MGDA(), scaled))


def test_sizes_of_zero() -> None:
    rows = [[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]
    close(update(MGDA(), rows), [0.0, 0.0])
    close(update(MGDA(normalisation="l2"), rows), [0.5, 0.5])
    close(update(MGDA(normalisation="loss"), rows[::2], [0.0, 1.0]), [0.0, 2.0])
    close(update(MGDA(normalisation="l2"), [[0.0, 0.0]] * 2), [0.0, 0.0])


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="unknown normalisation 'l1'; did you mean 'l2'"):
        MGDA(normalisation="l1")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="leave priorities out"):
        MGDA(priorities={"a": 1.0})
    with pytest.raises(InputError, match="the loss of 'b' is negative"):
        weights(MGDA(normalisation="loss"), [[1.0], [2.0]], [1.0, -1.0])
