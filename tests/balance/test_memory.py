"""How much memory a step takes, and that low memory changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.balance.measured_memory import peak_bytes
from tests.balance.models import TASKS, TRUNKS, Model, jacobian, losses
from tests.balance.test_engine import WEIGHTS, Given, assert_like, gradient, heads, ordinary
from torch import Tensor, nn

from polytask import balance
from polytask.balance import Balancer, GradientAggregator
from polytask.errors import InputError

COUNT, LAYERS, WIDTH = 8, 6, 64
TRUNK = 4 * LAYERS * (3 * WIDTH * WIDTH + WIDTH)
"""P in bytes, of float32."""
LARGEST = TRUNK // LAYERS
ROOM = 0.03 * TRUNK
"""For numbers per task."""


class Sum(GradientAggregator):
    """The sum of the losses, by way of the vectors."""

    def aggregate(self, gradients: Tensor, losses: balance.Losses) -> Tensor:
        return gradients.sum(0)


def peak(balancer: Balancer, **options: Any) -> int:
    """Of a step of convolutions, beyond the model and the activations of the forward pass."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv1d(WIDTH, WIDTH, 3), nn.Tanh()) for _ in range(LAYERS)]
    trunk = nn.Sequential(*layers)
    y = trunk(torch.randn(2, WIDTH, 2 * LAYERS + 1)).mean(2)
    found = {str(task): y[:, task].square().mean() for task in range(COUNT)}
    shared = list(trunk.parameters())
    if options.pop("apart", False):
        options["groups"] = {str(number): layer.parameters() for number, layer in enumerate(layers)}
    return peak_bytes(lambda: balance.backward(found, balancer, shared=shared, **options))


def test_the_measure() -> None:
    x = torch.ones(1000, requires_grad=True)
    assert peak_bytes(lambda: x.detach().mul_(1).view(10, 100)) == 0
    assert peak_bytes(lambda: [torch.ones(1000) for _ in range(3)]) == 12000
    assert peak_bytes(lambda: [torch.ones(1000).sum() for _ in range(3)]) < 4100
    y = x.exp().exp()
    assert 8000 <= peak_bytes(y.sum().backward) < 12100


@pytest.mark.parametrize("balancer", [balance.PCGrad(), Sum()], ids=["gramian", "vectors"])
@pytest.mark.parametrize("apart", [False, True])
def test_stored_gradients_are_one_of_each_task_and_the_update(
    balancer: Balancer, *, apart: bool
) -> None:
    """(K + 1) P and activations: those of ordinary training are P and the same activations."""
    ordinary = peak(balance.Equal())
    assert ordinary < 1.25 * TRUNK
    assert peak(balancer, apart=apart) <= COUNT * TRUNK + ordinary + ROOM


def test_low_memory_holds_the_gradients_of_one_layer() -> None:
    activations = peak(balance.Equal()) - TRUNK
    budget = TRUNK + COUNT * (LARGEST + activations)
    found = peak(balance.PCGrad(), memory="low")
    assert found <= budget + ROOM
    assert found <= TRUNK + COUNT * LARGEST
    assert budget < COUNT * TRUNK / 2


@pytest.mark.parametrize("trunk", TRUNKS)
def test_low_memory_changes_nothing(trunk: str) -> None:
    model = Model(trunk)
    rows = jacobian(model)
    info = balance.backward(losses(model), Given(), shared=model.shared, memory="low")
    assert_like(gradient(model), WEIGHTS @ rows)
    expected = rows @ rows.T
    scale = expected.diagonal().sqrt()
    assert info.gramian is not None
    assert ((info.gramian - expected) / scale / scale[:, None]).abs().max() < 1e-6
    for mine, plain in zip(heads(model), heads(ordinary(trunk)), strict=True):
        torch.testing.assert_close(mine, plain)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "grad_norm"},
        {"method": "pcgrad", "task_gradients": "weighted"},
        {"method": "pcgrad", "step": {"scale": 1024.0}},
        {"method": "pcgrad", "step": {"groups": True}},
        {"method": "mgda", "update_every": 2},
        {"method": "dwa", "step": {"diagnose": True}},
    ],
)
def test_low_memory_takes_the_same_steps(options: dict[str, Any]) -> None:
    options = dict(options)
    step, method = options.pop("step", {}), options.pop("method")
    found = []
    for memory in ("normal", "low"):
        model, balancer = Model(), balance.get(method, **options)
        given = {"stem": model.shared[:3]} if step.get("groups") else None
        for _ in range(3):
            model.zero_grad()
            balance.backward(
                losses(model),
                balancer,
                shared=model.shared,
                memory=memory,  # type: ignore[arg-type]
                **{**step, "groups": given},
            )
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    rounding = 1e-6 * step.get("scale", 1.0)
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=rounding)


def test_low_memory_with_skips_and_hooks() -> None:
    """Gradients that pass several stretches; hooks that change gradients on their way."""

    def run(memory: Any) -> tuple[balance.Balanced, list[Tensor | None]]:
        torch.manual_seed(0)
        layers, heads = nn.ModuleList(nn.Linear(6, 6) for _ in range(5)), nn.Linear(6, 3)
        x = [torch.randn(20, 6)]
        for index, layer in enumerate(layers):
            y = layer(x[-1]).tanh() + (x[0] if index == 3 else 0)
            y.register_hook(lambda gradient: gradient * torch.linspace(-1, 2, 6))
            x.append(y + x[1] if index > 1 else y)
        out = heads(x[-1])
        found = {name: out[:, task].square().mean() for task, name in enumerate(TASKS)}
        info = balance.backward(found, Given(), shared=layers.parameters(), memory=memory)
        return info, [p.grad for p in layers.parameters()]

    (plain, first), (low, second) = run("normal"), run("low")
    torch.testing.assert_close(plain.gramian, low.gramian, rtol=1e-5, atol=1e-12)
    for mine, other in zip(first, second, strict=True):
        torch.testing.assert_close(mine, other)


def test_low_memory_of_a_batch_per_task() -> None:
    model, other = Model("convolutions"), Model("convolutions")
    for one, memory in ((model, "low"), (other, "normal")):
        found = {name: losses(one)[name] for name in TASKS}
        balance.backward(found, Given(), shared=one.shared, memory=memory)  # type: ignore[arg-type]
    assert_like(gradient(model), gradient(other))


def test_low_memory_that_cannot_be() -> None:
    model = Model()
    with pytest.raises(InputError, match="memory='low': Sum needs all gradients"):
        balance.backward(losses(model), Sum(), shared=model.shared, memory="low")
    with pytest.raises(InputError, match="memory='low': cost='features'"):
        balance.backward(losses(model), Given(), shared=model.shared, memory="low", cost="features")
    with pytest.raises(InputError, match="unknown memory 'lo'; did you mean 'low'"):
        balance.backward(losses(model), Given(), shared=model.shared, memory="lo")  # type: ignore[arg-type]
