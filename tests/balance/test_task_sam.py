"""Sharpness-aware steps, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import pytest
import torch
from tests.balance.models import TASKS, Model, losses
from torch import Tensor

from polytask.balance import DWA, Balancer, GradDrop, MoDo, NashMTL, PCGrad, TaskSAM
from polytask.balance.methods.pcgrad import projected
from polytask.errors import InputError

RADIUS = 0.1


class Closure:
    """The losses of a model; remembers what it was asked for."""

    def __init__(self, model: Model, names: Sequence[str] = TASKS) -> None:
        self.model, self.names = model, names
        self.asked: list[Sequence[str] | None] = []

    def __call__(self, tasks: Sequence[str] | None) -> Mapping[str, Tensor]:
        self.asked.append(tasks)
        found = losses(self.model)
        return {name: found[name] for name in tasks or self.names}


def flat(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients]).double()


def by_hand(name: str) -> tuple[Tensor, Tensor, list[Tensor]]:
    """``[P]`` gradients here and up the slope, and those of the head up the slope."""
    model = Model()
    head = list(model.heads[name].parameters())
    here = torch.autograd.grad(losses(model)[name], [*model.shared, *head])
    count = len(model.shared)
    with torch.no_grad():
        for parameters, found in ((model.shared, here[:count]), (head, here[count:])):
            length = flat(found).norm()
            for parameter, gradient in zip(parameters, found, strict=True):
                parameter += RADIUS * gradient / length
    there = torch.autograd.grad(losses(model)[name], [*model.shared, *head])
    return flat(here[:count]), flat(there[:count]), list(there[count:])


def test_the_update_by_hand() -> None:
    model, sam = Model(), TaskSAM(PCGrad(seed=3), radius=RADIUS)
    before, closure = deepcopy(model.state_dict()), Closure(model)
    info = sam.backward(closure, shared=model.shared)
    found = [by_hand(name) for name in TASKS]
    slopes = torch.stack([here for here, _, _ in found])
    rises = torch.stack([there - here for here, there, _ in found])
    generator = torch.Generator().manual_seed(3 * 0x9E3779B97F4A7C15 % 2**63)
    order = torch.rand(3, 3, generator=generator).argsort(dim=1)
    expected = sum(projected(rows @ rows.T, order).sum(0) @ rows for rows in (slopes, rises))
    assert isinstance(expected, Tensor)
    mine = flat([p.grad for p in model.shared if p.grad is not None])
    assert (mine - expected).norm() < 1e-4 * expected.norm()
    for name, (_, _, head) in zip(TASKS, found, strict=True):
        for parameter, gradient in zip(model.heads[name].parameters(), head, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert closure.asked == [None, ["a"], ["b"], ["c"]]
    torch.testing.assert_close(info.losses.gramian, slopes @ slopes.T, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(info.flatness.gramian, rises @ rises.T, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("balancer", [PCGrad(), NashMTL(), GradDrop()])
def test_one_task_is_sharpness_aware_minimisation(balancer: Balancer) -> None:
    model = Model()
    TaskSAM(balancer, radius=RADIUS).backward(Closure(model, ["b"]), shared=model.shared)
    mine = flat([p.grad for p in model.shared if p.grad is not None])
    torch.testing.assert_close(mine, by_hand("b")[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_state_and_scale(scale: float) -> None:
    """Both balancers go on as they were; the scale of a scaler changes gradients alone."""
    sam, model = TaskSAM(NashMTL(update_every=2)), Model()
    for _ in range(3):
        sam.backward(Closure(model), shared=model.shared)
    resumed = TaskSAM(NashMTL(update_every=2))
    resumed.load_state_dict(deepcopy(sam.state_dict()))
    found = []
    for one, factor in ((sam, 1.0), (resumed, scale)):
        model.zero_grad()
        one.backward(Closure(model), shared=model.shared, scale=factor)
        found.append([p.grad / factor for p in model.parameters() if p.grad is not None])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_an_overflow_leaves_no_trace() -> None:
    model, sam = Model(), TaskSAM(NashMTL(), radius=RADIUS)
    sam.backward(Closure(model), shared=model.shared)
    before, values = deepcopy(sam.state_dict()), deepcopy(model.state_dict())
    model.zero_grad()

    class Overflowing(Closure):
        def __call__(self, tasks: Sequence[str] | None) -> Mapping[str, Tensor]:
            found = super().__call__(tasks)
            return {k: x * (torch.inf if tasks == ["b"] else 1.0) for k, x in found.items()}

    sam.backward(Overflowing(model), shared=model.shared)
    assert not any(p.grad.isfinite().any() for p in model.shared if p.grad is not None)
    assert all(torch.equal(before[key], value) for key, value in sam.state_dict().items())
    assert all(torch.equal(values[key], value) for key, value in model.state_dict().items())


def test_a_flat_task_has_no_step() -> None:
    """A gradient of zero has no direction; the parameters stay where they are."""
    model = Model()

    def closure(tasks: Sequence[str] | None) -> Mapping[str, Tensor]:
        found = losses(model)
        return {name: found[name] * (name != "a") for name in tasks or ("a", "b")}

    TaskSAM(PCGrad()).backward(closure, shared=model.shared)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.shared)


def test_bad_input() -> None:
    for balancer in (DWA(), MoDo()):
        with pytest.raises(InputError, match="does not look at gradients of one batch"):
            TaskSAM(balancer)
    with pytest.raises(InputError, match="radius must be positive"):
        TaskSAM(PCGrad(), radius=0.0)
    model = Model()
    with pytest.raises(InputError, match="must be a scalar"):
        TaskSAM(PCGrad()).backward(lambda _: {"a": model.x}, shared=model.shared)
