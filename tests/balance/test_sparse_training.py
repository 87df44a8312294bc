"""Masks of sparse training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.balance.models import TASKS, Model, jacobian, losses
from tests.balance.test_engine import WEIGHTS, Given, assert_like, gradient
from torch import nn

from polytask import balance
from polytask.balance import SparseTraining
from polytask.errors import InputError


def masked_rows(model: Model, connections: int) -> torch.Tensor:
    """``[K, P]`` gradients of a model without masks, masked by hand."""
    masks = []
    for parameter in model.shared:
        mask = torch.ones_like(parameter)
        if parameter.ndim > 1:
            rows = parameter.detach().flatten(1).abs()
            level = rows.sort(dim=1).values[:, -min(connections, rows.shape[1])]
            mask = (rows >= level[:, None]).to(rows).view(parameter.shape)
        masks.append(mask.flatten())
    return jacobian(model) * torch.cat(masks)


def test_the_strongest_connections_of_each_neuron() -> None:
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -4.0, 2.0, 3.0], [0.0, 0.1, -0.3, 0.2]]))
    sparse = SparseTraining(layer.parameters(), connections=2)
    (layer(torch.ones(1, 4)) * torch.tensor([[1.0, 2.0]])).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[0, 1, 0, 1], [0, 0, 2, 2]]
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [1, 2]
    sparse.remove()
    layer.zero_grad()
    layer(torch.ones(1, 4)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[1] * 4, [1] * 4]


@pytest.mark.parametrize("trunk", ["mlp", "wide", "convolutions", "words"])
@pytest.mark.parametrize(
    "options", [{}, {"memory": "low"}, {"cost": "features"}, {"cost": "last_block"}]
)
def test_gradients_are_masked_before_they_are_compared(trunk: str, options: Any) -> None:
    model = Model(trunk)
    rows = masked_rows(model, 3)
    SparseTraining(model.shared, connections=3)
    features = model.trunk(model.x)
    info = balance.backward(
        losses(model, features),
        Given(),
        shared=model.shared,
        features=features,
        last_block=model.shared[-2:],
        **options,
    )
    assert_like(gradient(model), WEIGHTS @ rows)
    if "cost" not in options:
        torch.testing.assert_close(info.gramian, rows @ rows.T, rtol=1e-5, atol=1e-8)


def test_batches_that_add_up() -> None:
    model = Model("wide")
    rows = masked_rows(model, 3)
    SparseTraining(model.shared, connections=3)
    step = balance.Accumulation(Given(), tasks=TASKS, shared=model.shared)
    for _ in range(2):
        step.add({name: loss / 2 for name, loss in losses(model).items()})
    step.finish()
    assert_like(gradient(model), WEIGHTS @ rows)


def test_masks_are_a_state() -> None:
    model, resumed = Model(), Model()
    sparse = SparseTraining(model.shared, connections=2)
    with torch.no_grad():
        for parameter in resumed.shared:
            parameter.copy_(torch.randn_like(parameter))
    other = SparseTraining(resumed.shared, connections=2)
    state = sparse.state_dict()
    assert any(not torch.equal(state[name], value) for name, value in other.state_dict().items())
    other.load_state_dict(state)
    for one in (model, resumed):
        balance.backward(losses(one), Given(), shared=one.shared)
    for first, second in zip(model.shared, resumed.shared, strict=True):
        assert first.grad is not None
        assert second.grad is not None
        if first.ndim > 1:
            assert torch.equal(first.grad != 0, second.grad != 0)


def test_bad_options() -> None:
    with pytest.raises(InputError, match="connections must be at least 1"):
        SparseTraining([], connections=0)
