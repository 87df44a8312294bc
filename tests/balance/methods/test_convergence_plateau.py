from __future__ import annotations

import numpy as np
import pytest
from tests.balance.methods.steps import named, step

from polytask.balance import ConvergencePlateau
from polytask.errors import InputError


def stopped(balancer: ConvergencePlateau, losses: list[float]) -> list[bool]:
    """Whether the task is stopped after each of these validation losses."""
    found = []
    for loss in losses:
        balancer.observe({"a": loss})
        found.append(bool(balancer.progress.values["a"][3]))
    return found


def test_a_task_stops_on_a_plateau_and_goes_when_it_gets_worse() -> None:
    losses = [1.0, 0.9, 0.8, 0.8, 0.7995, 0.8, 0.802, 0.8045]
    # The second bad observation in a row stops it, the next one rests. 0.8045 is more than 0.5%
    # worse than 0.8, but stops it for another time.
    wanted = [False, False, False, False, True, True, True, True]
    balancer = ConvergencePlateau()
    assert stopped(balancer, losses) == wanted
    assert stopped(balancer, [0.803, 0.8041, 0.6]) == [True, False, False]


def test_an_improvement_below_the_threshold_is_none() -> None:
    assert stopped(ConvergencePlateau(), [1.0, 0.9995, 0.9992]) == [False, False, True]
    assert stopped(ConvergencePlateau(), [1.0, 0.9995, 0.998]) == [False, False, False]


def test_patience_and_rest_are_numbers_of_observations() -> None:
    steady = [1.0] * 6
    balancer = ConvergencePlateau(patience=3)
    assert stopped(balancer, steady) == [False, False, False, False, True, True]
    eager = ConvergencePlateau(patience=0, rest=0)
    assert stopped(eager, [1.0, 1.0, 0.5, 0.6]) == [False, True, True, True]


def test_a_stopped_task_learns_at_every_fourth_step() -> None:
    balancer = ConvergencePlateau()
    for _ in range(3):
        balancer.observe({"a": 1.0, "b": 1.0 / (1 + int(balancer.steps))})
        balancer.steps += 1
    balancer.steps.zero_()
    found = np.stack([step(balancer, named([1.0, 1.0, 1.0])) for _ in range(8)])
    assert found[:, 0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    assert (found[:, 1:] == 1).all()


def test_an_impossible_validation_loss_is_named() -> None:
    with pytest.raises(InputError, match="the validation loss of 'a' must be finite"):
        ConvergencePlateau().observe({"a": -0.5})
