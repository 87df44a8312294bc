"""Groups of shared parameters that are balanced apart."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from tests.balance.models import TASKS, Model, losses
from torch import Tensor, nn

from polytask import balance
from polytask.balance import Balanced, Balancer, GradientAggregator, get
from polytask.errors import InputError

Groups = dict[str, list[nn.Parameter]]
LOOKS = ["pcgrad", "mgda", "grad_norm", "nash_mtl", "grad_vac", "grad_drop"]
"""Methods with and without a state, with drawn numbers, and one that sees the vectors."""


class Medians(GradientAggregator):
    """A sum that is no weighted sum of fixed weights."""

    def aggregate(self, gradients: Tensor, losses: balance.Losses) -> Tensor:
        return gradients.median(0).values


def halves(model: Model) -> Groups:
    return {"stem": model.shared[:2], "top.layers": model.shared[2:]}


def step(
    model: Model, balancer: Balancer, groups: Groups | None, names: Any = TASKS, **options: Any
) -> Balanced:
    """A step of gradient descent; the gradients stay."""
    model.zero_grad()
    found = {name: loss for name, loss in losses(model).items() if name in names}
    info = balance.backward(found, balancer, shared=model.shared, groups=groups, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.05 * (0 if parameter.grad is None else parameter.grad)
    return info


def gradients(model: Model) -> list[Tensor]:
    return [torch.zeros(()) if p.grad is None else p.grad for p in model.parameters()]


def equal(first: Model, second: Model) -> None:
    for mine, other in zip(gradients(first), gradients(second), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)


def test_an_overflow_on_another_process_is_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """With shards it may be seen there alone."""
    monkeypatch.setattr("polytask.balance.engine.processes.Processes.everywhere", lambda *_: False)
    model, balancer = Model("mlp"), Medians()
    step(model, balancer, halves(model))
    assert balancer.steps == 0
    assert all(p.grad is not None and p.grad.isnan().all() for p in model.shared)


@pytest.mark.parametrize("trunk", ["mlp", "wide"])
@pytest.mark.parametrize("method", LOOKS)
def test_each_group_is_balanced_as_if_it_were_alone(trunk: str, method: str) -> None:
    """Alone: the other group is frozen, its parameters are no parameters of the method."""
    together, balancer = Model(trunk), get(method)
    info = step(together, balancer, halves(together))
    for number, name in enumerate(info.groups):
        alone = Model(trunk)
        kept = list(halves(alone).values())[number]
        info_alone = balance.backward(losses(alone), get(method), shared=kept, diagnose=True)
        for mine, other in zip(list(halves(together).values())[number], kept, strict=True):
            torch.testing.assert_close(mine.grad, other.grad)
        if info.weights is not None:
            torch.testing.assert_close(info.groups[name].weights, info_alone.weights)
            torch.testing.assert_close(info.groups[name].gramian, info_alone.gramian)


@pytest.mark.parametrize("method", LOOKS)
def test_one_group_of_all_is_no_group(method: str) -> None:
    first, second = Model(), Model()
    one, other = get(method), get(method)
    for _ in range(3):
        info = step(first, one, {"all": first.shared}, diagnose=True)
        plain = step(second, other, None, diagnose=True)
        equal(first, second)
        assert info.groups.keys() == {"all"}
        assert plain.groups == {}
        torch.testing.assert_close(info.gramian, plain.gramian, rtol=0, atol=0)
        if info.weights is not None:
            torch.testing.assert_close(info.weights, plain.weights, rtol=0, atol=0)


def test_what_the_result_tells() -> None:
    model = Model()
    info = step(model, get("pcgrad"), halves(model))
    groups = list(info.groups.values())
    assert list(info.groups) == ["stem", "top.layers"]
    weights = [group.weights for group in groups if group.weights is not None]
    assert not torch.equal(*weights)
    torch.testing.assert_close(info.weights, (weights[0] + weights[1]) / 2)
    other = Model()
    whole = balance.backward(losses(other), get("pcgrad"), shared=other.shared, diagnose=True)
    torch.testing.assert_close(info.gramian, whole.gramian)


def test_what_no_group_names_is_the_rest() -> None:
    model, whole = Model(), Model()
    info = step(model, get("pcgrad"), {"stem": model.shared[:2]})
    step(whole, get("pcgrad"), halves(whole))
    assert list(info.groups) == ["stem", "rest"]
    equal(model, whole)


def test_weighted_gradients_of_tasks_have_the_mean_weight() -> None:
    model, plain = Model(), Model()
    info = step(model, get("pcgrad", task_gradients="weighted"), halves(model))
    torch.stack(list(losses(plain).values())).sum().backward()
    assert info.weights is not None
    for weight, name in zip(info.weights.tolist(), TASKS, strict=True):
        pairs = zip(model.heads[name].parameters(), plain.heads[name].parameters(), strict=True)
        for mine, other in pairs:
            assert other.grad is not None
            torch.testing.assert_close(mine.grad, weight * other.grad)


@pytest.mark.parametrize("method", LOOKS)
def test_state_makes_a_resumed_run_equal(method: str) -> None:
    options = {} if method == "grad_drop" else {"update_every": 2}
    model, balancer = Model(), get(method, **options)
    for names in (TASKS, TASKS[:2], TASKS):
        step(model, balancer, halves(model), names)
    state = deepcopy(balancer.state_dict())
    assert all(isinstance(value, Tensor) for value in state.values())
    resumed, same = get(method, **options), deepcopy(model)
    resumed.in_group("one that is not in the state")  # type: ignore[attr-defined]
    resumed.load_state_dict(state)
    for _ in range(3):
        step(model, balancer, halves(model))
        step(same, resumed, halves(same))
        equal(model, same)
    assert balancer.state_dict().keys() == resumed.state_dict().keys()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("groups", [2, 4])
def test_kept_weights_give_the_same_update(groups: int, *, weighted: bool) -> None:
    """Fewer groups than tasks have a pass each; more have one per task."""
    model, other = Model(), Model()
    options: dict[str, Any] = {"task_gradients": "weighted"} if weighted else {}
    keeps, finds = get("mgda", update_every=2, **options), get("mgda", **options)
    for turn in range(2):
        for one, balancer in ((model, keeps), (other, finds)):
            parts = [[p] for p in one.shared[:groups]]
            parts[-1] += one.shared[groups:]
            one.zero_grad()
            info = balance.backward(
                losses(one),
                balancer,
                shared=one.shared,
                groups={str(number): part for number, part in enumerate(parts)},
            )
        assert len(info.groups) == groups
        for mine, expected in zip(gradients(model), gradients(other), strict=True):
            torch.testing.assert_close(mine, expected, msg=str(turn))


def test_warm_up_is_ordinary_training() -> None:
    model, plain = Model(), Model()
    info = step(model, get("pcgrad", warm_up=1), halves(model))
    torch.stack(list(losses(plain).values())).sum().backward()
    assert info.gramian is None
    for mine, other in zip(gradients(model), gradients(plain), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("method", ["grad_norm", "grad_drop"])
def test_an_overflow_in_one_group_leaves_no_trace(method: str) -> None:
    model, balancer = Model(), get(method)
    step(model, balancer, halves(model))
    before = deepcopy(balancer.state_dict())
    found = losses(model)
    found["b"] = found["b"] + (0 * model.shared[0].sum()).sqrt()
    model.zero_grad()
    balance.backward(found, balancer, shared=model.shared, groups=halves(model))
    for parameter in model.shared:
        assert parameter.grad is not None
        assert not parameter.grad.isfinite().any()
    after = balancer.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("scale", [1.0, 1024.0])
@pytest.mark.parametrize("make", [lambda: get("pcgrad"), Medians])
def test_batches_add_up(make: Callable[[], Balancer], scale: float) -> None:
    model, whole = Model("wide", rows=36), Model("wide", rows=36)
    balance.backward(losses(whole), make(), shared=whole.shared, groups=halves(whole))
    accumulation = balance.Accumulation(
        make(), tasks=TASKS, shared=model.shared, groups=halves(model), scale=scale
    )
    x, y = model.x, model.y
    for part in range(3):
        model.x, model.y = x[part::3], y[part::3]
        accumulation.add({name: loss / 3 for name, loss in losses(model).items()})
    assert len(accumulation.finish().groups) == 2
    for mine, other in zip(gradients(model), gradients(whole), strict=True):
        torch.testing.assert_close(mine / scale, other, rtol=1e-4, atol=1e-6)


def test_bad_groups() -> None:
    model = Model()
    first, second = model.shared[:2], model.shared[2:]

    def run(groups: Groups, balancer: Balancer | None = None, **options: Any) -> None:
        step(model, balancer or get("pcgrad"), groups, **options)

    with pytest.raises(InputError, match=r"'a' has a parameter, of shape \(2, 8\), that is not sh"):
        run({"a": list(model.heads["a"].parameters())})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="in two groups, 'a' and 'b'"):
        run({"a": first, "b": [*second, first[0]]})
    with pytest.raises(InputError, match="DWA sees losses alone"):
        run({"a": first}, get("dwa"))
    for cost in ("features", "last_block"):
        with pytest.raises(InputError, match=f"groups: cost='{cost}'"):
            run({"a": first}, cost=cost, last_block=second)


def test_frozen_parameters_are_in_no_group() -> None:
    model = Model()
    groups = halves(model)
    model.shared[0].requires_grad_(requires_grad=False)
    info = step(model, get("pcgrad"), {**groups, "frozen": []})
    assert list(info.groups) == ["stem", "top.layers"]
