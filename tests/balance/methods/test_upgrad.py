from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, update
from torchjd.aggregation import UPGradWeighting
from torchjd.linalg import QuadprogProjector

from polytask.balance import UPGrad


def test_by_hand() -> None:
    # (1, 0) becomes (0.5, 0.5) beside (-1, 1), and (-1, 1) becomes (0, 1) beside (1, 0)
    close(update(UPGrad(), [[1.0, 0.0], [-1.0, 1.0]]), [0.25, 0.75])


def test_gradients_that_agree_are_averaged() -> None:
    rows = random_rows(3).abs()
    close(update(UPGrad(), rows), rows.mean(0))


@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_as_torchjd_almost_without_its_ridge(tasks: int) -> None:
    """With its default ridge of 1e-4 the updates differ by about as much."""
    rows, exact = random_rows(tasks), QuadprogProjector(norm_eps=0.0, reg_eps=1e-12)
    gramian = rows @ rows.T
    theirs = UPGradWeighting(projector=exact)(gramian) @ rows
    close(update(UPGrad(), rows), theirs, rtol=1e-7)
    assert not torch.allclose(UPGradWeighting()(gramian) @ rows, theirs, rtol=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 1e2, 1e4, 1e6, 1e8])
def test_no_task_is_hurt_at_any_ratio_of_lengths(ratio: float) -> None:
    """Gradients in float32, as in training; torchjd's default hurts the short one at 100."""
    for seed in range(10):
        rows = random_rows(2, seed=seed).float() * torch.tensor([[ratio], [1.0]])
        found = update(UPGrad(), rows).double()
        lengths = rows.double().norm(dim=1) * found.norm()
        assert ((rows.double() @ found) / lengths >= -1e-6).all()


def test_priorities_weigh_the_projections() -> None:
    found = update(UPGrad(priorities={"a": 3.0}), [[1.0, 0.0], [-1.0, 1.0]])
    close(found, [0.75 * 0.5, 0.75 * 0.5 + 0.25 * 1.0])


def test_opposite_gradients_leave_nothing() -> None:
    close(update(UPGrad(), [[1.0, 2.0], [-2.0, -4.0]]), [0.0, 0.0])
