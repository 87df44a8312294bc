from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, weights
from torchjd.aggregation import KrumWeighting

from polytask.balance import Krum
from polytask.errors import InputError


def test_by_hand() -> None:
    # squared distances to the nearest of the two others: 1, 1, 16 - and the first of equals counts
    close(weights(Krum(), [[0.0], [1.0], [5.0]]), [1.0, 0.0, 0.0])
    # K = 4, two neighbours: 1 + 4 = 5, 1 + 1 = 2, 1 + 4 = 5, far
    close(weights(Krum(), [[0.0], [1.0], [2.0], [90.0]]), [0.0, 1.0, 0.0, 0.0])
    close(weights(Krum(selected=2), [[0.0], [1.0], [2.5], [90.0]]), [0.5, 0.5, 0.0, 0.0])


def test_distances_are_squared_as_in_the_paper() -> None:
    """torchjd adds plain ones. Of the two nearest: 2 + 2 and 0.1 + 2.9, or 8 and 8.42."""
    rows = torch.tensor([[0.0], [0.1], [3.0], [5.0], [7.0]]).double()
    close(weights(Krum(outliers=1), rows), [0.0, 0.0, 0.0, 1.0, 0.0])
    close(KrumWeighting(1)(rows @ rows.T), [0.0, 1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(("tasks", "outliers", "selected"), [(4, 0, 1), (9, 2, 1), (9, 3, 4)])
def test_as_the_definition(tasks: int, outliers: int, selected: int) -> None:
    rows = random_rows(tasks, width=5)
    scores = []
    for row in rows:
        distances = sorted(float((row - other).square().sum()) for other in rows)
        scores.append(sum(distances[1 : tasks - outliers - 1]))
    best = sorted(range(tasks), key=scores.__getitem__)[:selected]
    expected = [1 / selected if task in best else 0.0 for task in range(tasks)]
    close(weights(Krum(outliers=outliers, selected=selected), rows), expected)


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="at least 4 tasks in a step, got 3"):
        weights(Krum(outliers=1), [[0.0], [1.0], [5.0]])
    with pytest.raises(InputError, match="leave priorities out"):
        Krum(priorities={"a": 1.0})
    with pytest.raises(InputError, match="outliers must be at least 0"):
        Krum(outliers=-1)
