from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import as_rows, close, losses, random_rows
from torch import Tensor

from polytask.balance import GradDrop
from polytask.errors import InputError


def updates(balancer: GradDrop, rows: Tensor, steps: int) -> Tensor:
    """``[steps, P]`` of the same gradients."""
    found = []
    for _ in range(steps):
        found.append(balancer.from_gradients(rows.clone(), losses([1.0] * len(rows))))
        balancer.steps += 1
    return torch.stack(found)


def test_each_number_follows_one_sign() -> None:
    """By hand: 2 and 1 are positive with probability 3/4, -1 is chosen with 1/4."""
    rows = as_rows([[2.0] * 20000, [1.0] * 20000, [-1.0] * 20000])
    found = updates(GradDrop(), rows, 1)[0]
    assert set(found.tolist()) == {3.0, -1.0}
    assert abs(float((found > 0).double().mean()) - 0.75) < 0.01


def test_numbers_without_conflict_are_added() -> None:
    rows = as_rows([[1.0, -1.0, 0.0], [2.0, -3.0, 0.0]])
    close(updates(GradDrop(), rows, 5), [[3.0, -4.0, 0.0]] * 5)


def test_the_expected_update_is_that_of_the_formula() -> None:
    """E = sum_k (l_k + (1 - l_k) p_k) g_k, p_k the probability of the sign of g_k."""
    rows, leak = random_rows(3, width=4), torch.tensor([[0.0], [0.5], [1.0]]).double()
    balancer = GradDrop(leak={"b": 0.5, "c": 1.0})
    positive = rows.clamp(min=0).sum(0) / rows.abs().sum(0)
    same_sign = torch.where(rows > 0, positive, 1 - positive)
    expected = ((leak + (1 - leak) * same_sign) * rows).sum(0)
    found = updates(balancer, rows, 4000)
    assert ((found.mean(0) - expected).abs() < 4 * found.std(0) / 4000**0.5).all()


def test_a_full_leak_is_the_sum() -> None:
    rows = random_rows(3)
    close(
        updates(GradDrop(leak=dict.fromkeys("abc", 1.0)), rows, 2), torch.stack([rows.sum(0)] * 2)
    )


def test_choices_come_from_the_seed_and_the_step() -> None:
    rows = random_rows(3)
    first = updates(GradDrop(seed=1), rows, 3)
    assert torch.equal(updates(GradDrop(seed=1), rows, 3), first)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(updates(GradDrop(seed=2), rows, 3), first)


def test_priorities_scale_the_gradients() -> None:
    rows = random_rows(2)
    scaled = rows * torch.tensor([[1.5], [0.5]])
    close(updates(GradDrop(priorities={"a": 3.0}), rows, 3), updates(GradDrop(), scaled, 3))


def test_a_leak_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="leak of 'a' must be from 0 to 1, got 2"):
        GradDrop(leak={"a": 2.0})
