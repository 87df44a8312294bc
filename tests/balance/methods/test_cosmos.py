from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.balance.methods.steps import named, step

from polytask.balance import COSMOS
from polytask.errors import InputError

NAMES = ("a", "b", "c")


@given(st.lists(st.floats(0.01, 100.0), min_size=3, max_size=3), st.floats(0.0, 10.0))
def test_weights_are_the_derivative_of_the_total(values: list[float], closeness: float) -> None:
    balancer = COSMOS(closeness=closeness)
    losses = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    r = balancer.preference(NAMES)
    total = r @ losses - closeness * torch.nn.functional.cosine_similarity(r, losses, dim=0)
    total.backward()  # type: ignore[no-untyped-call]
    found = torch.from_numpy(step(balancer, named(values)))
    assert losses.grad is not None
    torch.testing.assert_close(found, losses.grad, rtol=1e-9, atol=1e-9)


def test_by_hand() -> None:
    balancer = COSMOS(closeness=0.0)
    assert step(COSMOS(closeness=0.0), named([5.0, 1.0])).tolist() == pytest.approx(
        balancer.preference(["a", "b"]).tolist()
    )


def test_a_preference_lasts_for_a_step() -> None:
    balancer = COSMOS()
    first = balancer.preference(NAMES)
    assert torch.equal(first, balancer.preference(NAMES))
    assert torch.equal(first.flip(0), balancer.preference(NAMES[::-1]))
    step(balancer, named([1.0, 2.0, 3.0]))
    assert not torch.equal(first, balancer.preference(NAMES))
    resumed = COSMOS()
    resumed.load_state_dict(balancer.state_dict())
    assert torch.equal(resumed.preference(NAMES), balancer.preference(NAMES))
    assert not torch.equal(COSMOS(seed=1).preference(NAMES), first)


def test_the_distribution_of_preferences() -> None:
    """Means and variances of the Dirichlet distribution with alpha = (1, 2, 3)."""
    balancer = COSMOS(concentration=1.0, concentrations={"b": 2.0, "c": 3.0})
    drawn = []
    for _ in range(4000):
        drawn.append(balancer.preference(NAMES))
        balancer.steps += 1
    mean = torch.tensor([1.0, 2.0, 3.0]).double() / 6
    found = torch.stack(drawn)
    torch.testing.assert_close(found.mean(0), mean, rtol=0, atol=0.02)
    torch.testing.assert_close(found.var(0), mean * (1 - mean) / 7, rtol=0.1, atol=0)


def test_losses_of_zero() -> None:
    balancer = COSMOS()
    preference = balancer.preference(["a", "b"])
    assert step(balancer, named([0.0, 0.0])).tolist() == pytest.approx(preference.tolist())


def test_bad_options() -> None:
    with pytest.raises(InputError, match="concentration must be positive"):
        COSMOS(concentration=0.0)
    with pytest.raises(InputError, match="'a' must be positive"):
        COSMOS(concentrations={"a": 0.0})
