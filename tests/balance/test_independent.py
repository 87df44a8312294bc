"""Weights that follow from the gradients of independent batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.balance.models import TASKS, Model, jacobian, losses
from tests.balance.test_engine import WEIGHTS, Given, assert_like, gradient
from torch import Tensor

from polytask import balance
from polytask.errors import InputError


class Across(Given):
    """Weights that the test chooses."""

    independent = True


def batches(model: Model) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
    """Losses of two batches, and their gradients ``[K, P]``."""
    x, y, found, rows = model.x, model.y, [], []
    for seed in (1, 2):
        generator = torch.Generator().manual_seed(seed)
        model.x = torch.randn(x.shape, generator=generator)
        model.y = torch.randn(y.shape, generator=generator)
        found.append(losses(model))
        rows.append(jacobian(model))
    model.x, model.y = x, y
    return found, rows


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_the_products_and_the_update(scale: float) -> None:
    model, balancer = Model("wide"), Across()
    found, (first, second) = batches(model)
    info = balance.backward(
        losses(model), balancer, shared=model.shared, independent=found, scale=scale
    )
    torch.testing.assert_close(balancer.seen, first @ second.T, rtol=1e-4, atol=1e-7)
    assert info.gramian is not None
    assert not torch.equal(info.gramian, info.gramian.T)
    assert_like(gradient(model) / scale, WEIGHTS @ jacobian(model))


def test_groups_have_products_of_their_own() -> None:
    model = Model()
    found, (first, second) = batches(model)
    count = sum(p.numel() for p in model.shared[:2])
    info = balance.backward(
        losses(model),
        Across(),
        shared=model.shared,
        groups={"stem": model.shared[:2]},
        independent=found,
    )
    stem, rest = (group.gramian for group in info.groups.values())
    torch.testing.assert_close(stem, first[:, :count] @ second[:, :count].T, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(rest, first[:, count:] @ second[:, count:].T, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", ["modo", "sdmgrad"])
def test_an_overflow_of_the_update_leaves_no_trace(method: str) -> None:
    model, balancer = Model(), balance.get(method)
    balance.backward(losses(model), balancer, shared=model.shared, independent=batches(model)[0])
    before = {name: value.clone() for name, value in balancer.state_dict().items()}
    found = losses(model)
    found["b"] = found["b"] + (0 * model.shared[0].sum()).sqrt()
    model.zero_grad()
    balance.backward(found, balancer, shared=model.shared, independent=batches(model)[0])
    assert not gradient(model).isfinite().all()
    after = balancer.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_batches_that_cannot_be() -> None:
    model = Model()
    given, _ = batches(model)

    def run(balancer: Any, **options: Any) -> None:
        balance.backward(losses(model), balancer, shared=model.shared, **options)

    with pytest.raises(InputError, match="MoDo: give independent, the losses of two more"):
        run(balance.MoDo())
    with pytest.raises(InputError, match="two more batches"):
        run(balance.MoDo(), independent=given[:1])
    with pytest.raises(InputError, match="PCGrad compares gradients of one batch"):
        run(balance.PCGrad(), independent=given)
    with pytest.raises(InputError, match="need cost='exact' and memory='normal'"):
        run(balance.MoDo(), independent=given, memory="low")
    with pytest.raises(InputError, match="unknown task 'z'"):
        run(balance.MoDo(), independent=[{"z": given[0]["a"]}, given[1]])
    with pytest.raises(InputError, match="MoDo compares independent batches; use backward"):
        balance.Accumulation(balance.MoDo(), tasks=TASKS, shared=model.shared)
