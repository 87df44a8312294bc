"""Scores at several scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.merging.conftest import trained
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import merge_state_dicts, prepare_state_dicts, sweep


def test_the_best_scale() -> None:
    base, models = trained(2)
    direction = prepare_state_dicts("ties", base=base, models=models)
    wanted = merge_state_dicts("ties", base=base, models=models, scale=0.4)
    seen = []

    def score(state: dict[str, Tensor]) -> float:
        seen.append(state)
        return -sum(float((state[n] - wanted[n]).abs().sum()) for n in wanted)

    found = sweep(direction, score, scales=(0.2, 0.4, 0.8))
    assert found.best == 0.4
    assert list(found.scores) == [0.2, 0.4, 0.8]
    assert found.scores[0.4] == 0 > found.scores[0.2]
    assert len(seen) == 3


def test_of_equal_scores_the_base_counts() -> None:
    base, models = trained(2)
    direction = prepare_state_dicts("task_arithmetic", base=base, models=models)
    assert sweep(direction, lambda _: 0.5, scales=(1.0, -0.2, 0.3)).best == -0.2
    assert sweep(direction, lambda _: 0.5).best == 0


def test_what_is_no_score() -> None:
    base, models = trained(2)
    direction = prepare_state_dicts("task_arithmetic", base=base, models=models)
    with pytest.raises(InputError, match="scales: there is none"):
        sweep(direction, lambda _: 0.0, scales=())
    with pytest.raises(InputError, match=r"score: is NaN at scale 0\.5"):
        sweep(direction, lambda _: float("nan"), scales=(0.5,))


@pytest.mark.parametrize("score", [None, "0.5", [1.0], torch.ones(2)])
def test_scores_that_are_no_numbers(score: Any) -> None:
    base, models = trained(2)
    direction = prepare_state_dicts("task_arithmetic", base=base, models=models)
    with pytest.raises(InputError, match=r"score: is no number at scale 0\.5: "):
        sweep(direction, lambda _: score, scales=(0.5,))


@pytest.mark.parametrize("score", [1, np.float32(0.5), torch.tensor(0.5), float("inf")])
def test_scores_of_other_kinds(score: Any) -> None:
    base, models = trained(2)
    direction = prepare_state_dicts("task_arithmetic", base=base, models=models)
    found = sweep(direction, lambda _: score, scales=np.linspace(0, 1, 2))  # type: ignore[arg-type]
    assert found.scores == {0.0: float(score), 1.0: float(score)}


def test_what_is_no_direction_or_scale() -> None:
    base, models = trained(1)
    with pytest.raises(InputError, match="direction: expected what prepare_state_dicts returns, g"):
        sweep(base, lambda _: 1.0)  # type: ignore[arg-type]
    direction = prepare_state_dicts("task_arithmetic", base=base, models=models)
    with pytest.raises(InputError, match="scales: expected a list, got float"):
        sweep(direction, lambda _: 1.0, scales=0.5)  # type: ignore[arg-type]
