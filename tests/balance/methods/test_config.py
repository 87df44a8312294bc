from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, update, weights

from polytask.balance import ConFIG


def test_by_hand() -> None:
    # equal cosines with (4, 0) and (0, 1) along (1, 1); they reach 4 / sqrt 2 and 1 / sqrt 2
    close(update(ConFIG(), [[4.0, 0.0], [0.0, 1.0]]), [2.5, 2.5])


@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_as_the_formula_with_a_pseudo_inverse(tasks: int) -> None:
    rows = torch.logspace(-2, 2, tasks, dtype=torch.float64)[:, None] * random_rows(tasks)
    units = rows / rows.norm(dim=1, keepdim=True)
    direction = torch.linalg.pinv(units).sum(1)
    direction = direction / direction.norm()
    close(update(ConFIG(), rows), (rows @ direction).sum() * direction, rtol=1e-7)


def test_equal_and_zero_gradients() -> None:
    close(update(ConFIG(), [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), [2.0, 2.0])


def test_nothing_is_left_of_opposite_gradients() -> None:
    close(weights(ConFIG(), [[1.0, 2.0], [-2.0, -4.0]]), [0.0, 0.0])


def test_priorities_are_proportions_of_the_cosines() -> None:
    found = update(ConFIG(priorities={"a": 2.0}), [[4.0, 0.0], [0.0, 1.0]])
    close(found[0] / found[1], 2.0)
