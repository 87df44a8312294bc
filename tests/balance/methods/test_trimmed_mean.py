from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import aggregated, close, random_rows
from torchjd.aggregation import TrimmedMean as Reference

from polytask.balance import TrimmedMean
from polytask.balance.methods import trimmed_mean
from polytask.errors import InputError


def test_by_hand() -> None:
    rows = [[1.0, 9.0], [2.0, -9.0], [4.0, 1.0], [90.0, 3.0]]
    close(aggregated(TrimmedMean(), rows), [3.0, 2.0])
    close(aggregated(TrimmedMean(outliers=0), rows), [97 / 4, 1.0])


@pytest.mark.parametrize(("tasks", "outliers"), [(3, 1), (8, 1), (9, 3), (20, 0)])
def test_as_torchjd(tasks: int, outliers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimmed_mean, "CHUNK", 7)
    rows = random_rows(tasks)
    close(aggregated(TrimmedMean(outliers=outliers), rows), Reference(outliers)(rows))


def test_one_gradient_may_be_anything() -> None:
    rows = random_rows(5)
    lowest, highest = rows[:4].min(0).values, rows[:4].max(0).values
    for wrong in (1e30, -1e30):
        rows[4] = wrong
        found = aggregated(TrimmedMean(), rows)
        assert (found >= lowest).all()
        assert (found <= highest).all()


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="needs at least 3 tasks in a step, got 2"):
        aggregated(TrimmedMean(), torch.ones(2, 3))
    with pytest.raises(InputError, match="leave priorities out"):
        TrimmedMean(priorities={"a": 1.0})
    with pytest.raises(InputError, match="outliers must be at least 0"):
        TrimmedMean(outliers=-1)
