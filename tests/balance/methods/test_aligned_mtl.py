from __future__ import annotations

from typing import Literal

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, update, weights
from torchjd.aggregation import AlignedMTLWeighting

from polytask.balance import AlignedMTL
from polytask.errors import InputError

Scale = Literal["min", "median", "rmse"]
SCALES: list[Scale] = ["min", "median", "rmse"]


@pytest.mark.parametrize(("scale", "length"), [("min", 1.0), ("median", 2.0), ("rmse", 3.0)])
def test_orthogonal_gradients_by_hand(scale: Scale, length: float) -> None:
    rows = torch.diag(
        torch.tensor([1.0, 2.0, 22.0**0.5], dtype=torch.float64)
    )  # (1 + 4 + 22) / 3 = 9
    close(update(AlignedMTL(scale=scale), rows), [length / 3] * 3)


def test_two_gradients_by_hand() -> None:
    # rows (1, 1) and (1, -1) times 2 and 1: singular values 2 sqrt 2 and sqrt 2
    close(update(AlignedMTL(), [[2.0, 2.0], [1.0, -1.0]]), [1.0, 0.0])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_as_torchjd(scale: Scale, tasks: int) -> None:
    rows = random_rows(tasks)
    reference = AlignedMTLWeighting(scale_mode=scale)
    close(weights(AlignedMTL(scale=scale), rows), reference(rows @ rows.T))
    shares = {"a": 5.0}
    chosen = torch.ones(tasks, dtype=torch.float64)
    chosen[0] = 5
    reference.pref_vector = chosen / chosen.sum()
    close(weights(AlignedMTL(scale=scale, priorities=shares), rows), reference(rows @ rows.T))


def test_short_gradients_are_seen() -> None:
    """Lengths 1e-6 to 1e6: the square of the shortest is lost in a Gramian beside the longest."""
    rows = torch.logspace(-6, 6, 5, dtype=torch.float64)[:, None] * torch.eye(5, 9).double()
    close(update(AlignedMTL(), rows)[:5], torch.full((5,), 1e-6 / 5))


def test_directions_without_gradient_are_left_out() -> None:
    close(update(AlignedMTL(), [[3.0, 0.0], [3.0, 0.0], [0.0, 0.0]]), [2.0, 0.0])
    close(weights(AlignedMTL(), [[0.0, 0.0], [0.0, 0.0]]), [0.5, 0.5])


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'median'"):
        AlignedMTL(scale="medain")  # type: ignore[arg-type]
