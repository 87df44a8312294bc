from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, update, weights
from torchjd.aggregation import IMTLGWeighting

from polytask.balance import IMTLG


def test_by_hand() -> None:
    # unit gradients (1, 0) and (0, 1): the update (t, t) = w_1 (4, 0) + w_2 (0, 1), w_1 + w_2 = 1
    close(weights(IMTLG(), [[4.0, 0.0], [0.0, 1.0]]), [0.2, 0.8])


@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_projections_onto_all_gradients_are_equal(tasks: int) -> None:
    rows = torch.logspace(-6, 6, tasks, dtype=torch.float64)[:, None] * random_rows(tasks)
    found = weights(IMTLG(), rows)
    projections = found @ rows @ (rows / rows.norm(dim=1, keepdim=True)).T
    close(projections / projections[0], torch.ones(tasks), rtol=1e-6)
    close(found.sum(), 1.0)


@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_as_torchjd(tasks: int) -> None:
    """For gradients of similar lengths: its pseudo-inverse drops those that are much shorter."""
    rows = random_rows(tasks)
    close(weights(IMTLG(), rows), IMTLGWeighting()(rows @ rows.T))


def test_equal_gradients_share() -> None:
    close(weights(IMTLG(), [[1.0, 2.0], [1.0, 2.0]]), [0.5, 0.5])
    # (1, 0) and (3, 0) reach 1/2 each of the projection 1 that (0, 2) reaches: 1/2, 1/6, 1/2
    close(weights(IMTLG(), [[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]), [3 / 7, 1 / 7, 3 / 7])


def test_nothing_is_left_of_opposite_gradients() -> None:
    close(weights(IMTLG(), [[1.0, 2.0], [-2.0, -4.0]]), [0.0, 0.0])


def test_a_gradient_of_zero_is_left_out() -> None:
    close(weights(IMTLG(), [[4.0, 0.0], [0.0, 0.0], [0.0, 1.0]]), [0.2, 0.0, 0.8])


def test_priorities_are_proportions_of_the_projections() -> None:
    found = update(IMTLG(priorities={"a": 2.0}), [[4.0, 0.0], [0.0, 1.0]])
    close(found[0] / found[1], 2.0)
