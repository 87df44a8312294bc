from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.balance.methods.steps import named, random_losses, run, step

from polytask.balance import FAMO
from polytask.errors import InputError


def expected(values: np.ndarray, *, decay: float, bound: float = 0.0) -> np.ndarray:
    """The paper's update with torch's Adam, the next row for the second forward pass."""
    logits = torch.zeros(values.shape[1], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([logits], lr=0.025, weight_decay=decay)
    logs, found = torch.tensor(values - bound + 1e-8).log(), []
    for before, now in zip([None, *logs], logs, strict=False):
        if before is not None:
            adam.zero_grad()
            torch.softmax(logits, 0).backward(before - now)
            adam.step()
        shares = torch.softmax(logits.detach(), 0) / now.exp()
        found.append((shares / shares.sum()).numpy())
    return np.stack(found)


def test_first_weights_by_hand() -> None:
    np.testing.assert_allclose(step(FAMO(), named([1.0, 3.0])), [0.75, 0.25], rtol=1e-7)


@pytest.mark.parametrize("decay", [0.0, 1e-3, 0.5])
def test_weights_follow_the_paper_s_update(decay: float) -> None:
    values = random_losses(40, 4)
    found = run(FAMO(weight_decay=decay), values)
    np.testing.assert_allclose(found, expected(values, decay=decay), rtol=1e-10)
    np.testing.assert_allclose(found.sum(1), 1.0)


def test_the_task_that_falls_slowly_gains() -> None:
    falling = np.exp(-np.outer(np.arange(200), [0.02, 0.001]))
    z = run(FAMO(), falling) * falling
    assert z[-1, 1] / z[-1].sum() > 0.9


def test_lower_bounds_are_taken_off() -> None:
    values = random_losses(10, 2) + 1
    found = run(FAMO(lower_bounds={"a": 1.0, "b": 1.0}), values)
    np.testing.assert_allclose(found, expected(values, decay=1e-3, bound=1.0), rtol=1e-10)
    with pytest.raises(InputError, match=r"the loss of 'a', 0\.5, is below its lower bound"):
        step(FAMO(lower_bounds={"a": 1.0}), named([0.5, 1.0]))


def test_a_task_that_comes_late_learns_from_its_second_step() -> None:
    balancer = FAMO()
    step(balancer, named([1.0, 2.0]))
    step(balancer, named([1.0, 1.0, 3.0]))
    assert "c" not in balancer.logits.values
    step(balancer, named([1.0, 1.0, 2.0]))
    assert float(balancer.logits.values.get("c", 0.0)) < 0  # it fell faster than the others
