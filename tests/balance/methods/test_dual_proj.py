from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, update
from torchjd.aggregation import DualProjWeighting
from torchjd.linalg import QuadprogProjector

from polytask.balance import DualProj


def test_by_hand() -> None:
    # the mean (1, -1) of (4, 0) and (-2, -2) points away from neither
    close(update(DualProj(), [[4.0, 0.0], [-2.0, -2.0]]), [1.0, -1.0])
    # the mean (1.5, 0.5) of (4, 0) and (-1, 1) points away from (-1, 1), which takes it to (1, 1)
    close(update(DualProj(), [[4.0, 0.0], [-1.0, 1.0]]), [1.0, 1.0])


@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_as_torchjd_almost_without_its_ridge(tasks: int) -> None:
    rows = torch.linspace(1, 3, tasks, dtype=torch.float64)[:, None] * random_rows(tasks)
    theirs = DualProjWeighting(projector=QuadprogProjector(norm_eps=0.0, reg_eps=1e-12))
    close(update(DualProj(), rows), theirs(rows @ rows.T) @ rows, rtol=1e-7)


def test_priorities_weigh_the_mean() -> None:
    close(update(DualProj(priorities={"b": 3.0}), [[4.0, 0.0], [0.0, 4.0]]), [1.0, 3.0])
