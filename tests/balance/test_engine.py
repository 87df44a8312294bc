"""What a balanced step puts into ``.grad``, for every kind of shared part and every cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.balance.models import TASKS, TRUNKS, Model, jacobian, losses
from torch import Tensor, nn

from polytask import balance
from polytask.balance import Accumulation, Balancer, Equal, GradientAggregator, GramianWeighting
from polytask.errors import InputError

WEIGHTS = torch.tensor([0.5, 2.0, -1.0], dtype=torch.float64)


class Given(GramianWeighting):
    """Weights that the test chooses; remembers what it saw."""

    def weights(self, gramian: Tensor, losses: balance.Losses) -> Tensor:
        self.seen = gramian
        return WEIGHTS[: len(gramian)].clone()


class Mixed(GradientAggregator):
    """The weighted sum, by way of the vectors."""

    def aggregate(self, gradients: Tensor, losses: balance.Losses) -> Tensor:
        return WEIGHTS.to(gradients) @ gradients


class Counted(torch.autograd.Function):
    """Passes on what it gets and counts how often it is passed backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: list[int]) -> Tensor:  # type: ignore[override]
        ctx.count = count
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        ctx.count[0] += 1
        return gradient, None


def gradient(model: Model) -> Tensor:
    """``[P]`` what the shared parameters got."""
    parts = [torch.zeros_like(p) if p.grad is None else p.grad.to_dense() for p in model.shared]
    return torch.cat([part.flatten() for part in parts]).double()


def assert_like(found: Tensor, expected: Tensor) -> None:
    """Equal up to what float32 loses."""
    assert (found - expected).norm() < 3e-6 * expected.norm()


def ordinary(trunk: str) -> Model:
    model = Model(trunk)
    torch.stack(list(losses(model).values())).sum().backward()
    return model


def heads(model: Model) -> list[Tensor]:
    return [p.grad for p in model.heads.parameters() if p.grad is not None]


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("balancer", [Given(), Mixed()], ids=["gramian", "vectors"])
def test_exact_gradients(trunk: str, balancer: Balancer) -> None:
    model = Model(trunk)
    rows = jacobian(model)
    info = balance.backward(losses(model), balancer, shared=model.shared, diagnose=True)
    assert_like(gradient(model), WEIGHTS @ rows)
    assert info.gramian is not None
    expected = rows @ rows.T
    scale = expected.diagonal().sqrt()
    cosines = (info.gramian - expected) / scale / scale[:, None]
    assert cosines.abs().max() < 1e-6
    for mine, plain in zip(heads(model), heads(ordinary(trunk)), strict=True):
        torch.testing.assert_close(mine, plain)


@pytest.mark.parametrize("trunk", sorted(set(TRUNKS) - {"tied", "one layer"}))
@pytest.mark.parametrize("cost", ["features", "last_block"])
def test_cheaper_places(trunk: str, cost: Any) -> None:
    model = Model(trunk)
    rows = jacobian(model)
    features = model.trunk(model.x)
    info = balance.backward(
        losses(model, features),
        Given(),
        shared=model.shared,
        features=features,
        last_block=model.shared[-2:],
        cost=cost,
    )
    assert_like(gradient(model), WEIGHTS @ rows)
    for mine, plain in zip(heads(model), heads(ordinary(trunk)), strict=True):
        torch.testing.assert_close(mine, plain)
    assert info.tasks == TASKS


def test_heads_with_a_computation_in_common() -> None:
    """What lies between the features and the heads belongs to the tasks that use it."""
    model, neck = Model(), nn.Linear(8, 8)

    def found(features: Tensor) -> dict[str, Tensor]:
        common = neck(features).exp()
        return {
            name: (head(common) - model.y).square().mean() for name, head in model.heads.items()
        }

    plain = list(found(model.trunk(model.x)).values())
    rows = [torch.autograd.grad(loss, model.shared, retain_graph=True) for loss in plain]
    expected = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows]).double()
    rest = [*neck.parameters(), *model.heads.parameters()]
    others = torch.autograd.grad(plain, rest, [torch.ones(())] * len(plain))
    features = model.trunk(model.x)
    balance.backward(
        found(features), Given(), shared=model.shared, features=features, cost="features"
    )
    assert_like(gradient(model), WEIGHTS @ expected)
    for parameter, other in zip(rest, others, strict=True):
        torch.testing.assert_close(parameter.grad, other)


def test_the_gramian_of_each_place() -> None:
    model = Model()
    features = model.trunk(model.x)
    found = losses(model, features)
    at_features = torch.stack(
        [
            torch.autograd.grad(loss, features, retain_graph=True)[0].flatten()
            for loss in found.values()
        ]
    ).double()
    last = model.shared[-2:]
    at_last = torch.stack(
        [
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, last, retain_graph=True)])
            for loss in found.values()
        ]
    ).double()
    for cost, rows in (("features", at_features), ("last_block", at_last)):
        balancer = Given()
        balance.backward(
            found,
            balancer,
            shared=model.shared,
            features=features,
            last_block=last,
            cost=cost,  # type: ignore[arg-type]
            retain_graph=True,
        )
        torch.testing.assert_close(balancer.seen, rows @ rows.T, rtol=1e-5, atol=1e-9)


def test_the_sum_is_ordinary_training() -> None:
    model, plain = Model(), ordinary("mlp")
    info = balance.backward(losses(model), Equal(), shared=model.shared)
    for mine, other in zip(model.parameters(), plain.parameters(), strict=True):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad, other.grad)
    assert info.weights is not None
    assert info.weights.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="diagnose=True"):
        _ = info.cosines


def test_gradients_are_added_to_those_that_are_there() -> None:
    model = Model()
    for _ in range(2):
        balance.backward(losses(model), Given(), shared=model.shared)
    assert_like(gradient(model), 2 * WEIGHTS @ jacobian(model))


@pytest.mark.parametrize("cost", ["exact", "features", "last_block"])
def test_weighted_task_gradients(cost: Any) -> None:
    model, plain = Model(), ordinary("mlp")
    features = model.trunk(model.x)
    balance.backward(
        losses(model, features),
        Given(task_gradients="weighted"),
        shared=model.shared,
        features=features,
        last_block=model.shared[-2:],
        cost=cost,
    )
    for weight, name in zip(WEIGHTS.tolist(), TASKS, strict=True):
        for mine, other in zip(
            model.heads[name].parameters(), plain.heads[name].parameters(), strict=True
        ):
            assert other.grad is not None
            torch.testing.assert_close(mine.grad, weight * other.grad)


def test_plain_task_gradients_of_a_loss_weighting() -> None:
    model, plain = Model(), ordinary("mlp")
    balancer = balance.UncertaintyWeighting(task_gradients="plain")
    balancer.log_variance.put(TASKS, torch.tensor([1.0, 2.0, 3.0]))
    balance.backward(losses(model), balancer, shared=model.shared)
    for mine, other in zip(heads(model), heads(plain), strict=True):
        torch.testing.assert_close(mine, other)


def count(model: Model, cost: Any, balancer: Balancer, *, separate: bool = False) -> int:
    """How often the shared part is passed backwards."""
    counter = [0]
    trunk = nn.Sequential(nn.Linear(10, 12), nn.Tanh())
    model.trunk = nn.Sequential(trunk, nn.Linear(12, 8))

    def run() -> Tensor:
        found: Tensor = model.trunk[1](Counted.apply(trunk(model.x), counter))
        return found

    features = run()
    found = losses(model, features)
    if separate:
        found = {name: losses(model, run())[name] for name in TASKS}
    balance.backward(
        found,
        balancer,
        shared=model.shared,
        features=features,
        last_block=model.trunk[1].parameters(),
        cost=cost,
    )
    return counter[0]


@pytest.mark.parametrize("rows", [4, 40])
@pytest.mark.parametrize(
    ("cost", "balancer", "expected"),
    [
        ("exact", Given, 3),
        ("exact", Mixed, 3),
        ("features", Given, 1),
        ("last_block", Given, 1),
        ("exact", lambda: Given(warm_up=1), 1),
        ("exact", Equal, 1),
    ],
)
def test_the_shared_part_is_never_walked_more_than_once_per_task(
    rows: int, cost: str, balancer: Callable[[], Balancer], expected: int
) -> None:
    assert count(Model(rows=rows), cost, balancer()) == expected


def test_a_batch_per_task_is_walked_once_each_and_freed() -> None:
    assert count(Model(), "exact", Given(), separate=True) == 3
    model = Model()
    found = {name: losses(model)[name] for name in TASKS}
    balance.backward(found, Given(), shared=model.shared)
    for loss in found.values():
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("trunk", ["mlp", "wide", "used twice", "frozen"])
def test_a_batch_per_task(trunk: str) -> None:
    model = Model(trunk)
    rows = jacobian(model)
    step = Accumulation(Given(), tasks=TASKS, shared=model.shared)
    for name in TASKS:
        step.add({name: losses(model)[name]})
    info = step.finish()
    assert_like(gradient(model), WEIGHTS @ rows)
    together = Model(trunk)
    found = {name: losses(together)[name] for name in TASKS}
    other = balance.backward(found, Given(), shared=together.shared)
    assert_like(gradient(together), WEIGHTS @ rows)
    torch.testing.assert_close(info.gramian, other.gramian, rtol=1e-5, atol=1e-8)


def test_kept_weights_are_used_until_they_are_due() -> None:
    balancer = Given(update_every=3)
    kept = []
    for _ in range(5):
        model = Model()
        info = balance.backward(losses(model), balancer, shared=model.shared)
        assert_like(gradient(model), WEIGHTS @ jacobian(model))
        kept.append(info.gramian is None)
    assert kept == [False, True, True, False, True]


def test_a_task_that_is_new_makes_weights_due() -> None:
    balancer = Given(update_every=3)
    for names in (["a"], ["a"], ["a", "b"]):
        model = Model()
        found = {name: loss for name, loss in losses(model).items() if name in names}
        info = balance.backward(found, balancer, shared=model.shared)
    assert info.gramian is not None


@pytest.mark.parametrize("balancer", [Given(), Mixed()])
def test_one_task_is_ordinary_training(balancer: Balancer) -> None:
    model = Model()
    balance.backward({"b": losses(model)["b"]}, balancer, shared=model.shared)
    assert_like(gradient(model), jacobian(model)[1])


@pytest.mark.parametrize("trunk", ["mlp", "wide", "used twice", "words"])
@pytest.mark.parametrize("balancer", [Given(), Mixed(), Equal()])
def test_batches_add_up(trunk: str, balancer: Balancer) -> None:
    """The wide layers have more inputs than a batch has rows, and some than all batches have."""
    model, whole = Model(trunk, rows=36), Model(trunk, rows=36)
    if not isinstance(balancer, Equal):
        balance.backward(losses(whole), balancer, shared=whole.shared)
    else:
        torch.stack(list(losses(whole).values())).sum().backward()
    step = Accumulation(balancer, tasks=TASKS, shared=model.shared)
    x, y = model.x, model.y
    for part in range(3):
        model.x, model.y = x[part::3], y[part::3]
        step.add({name: loss / 3 for name, loss in losses(model).items()})
    step.finish()
    assert_like(gradient(model), gradient(whole))
    for mine, other in zip(heads(model), heads(whole), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("balancer", [Given(), Mixed(), Equal(), balance.UncertaintyWeighting()])
def test_the_scale_of_a_gradient_scaler(balancer: Balancer) -> None:
    plain, scaled = Model(), Model()
    state = {name: value.clone() for name, value in balancer.state_dict().items()}
    first = balance.backward(losses(plain), balancer, shared=plain.shared, diagnose=True)
    balancer.load_state_dict(state)
    second = balance.backward(
        losses(scaled), balancer, shared=scaled.shared, diagnose=True, scale=1024.0
    )
    torch.testing.assert_close(first.gramian, second.gramian, rtol=1e-5, atol=1e-9)
    for mine, other in zip(plain.parameters(), scaled.parameters(), strict=True):
        assert other.grad is not None
        torch.testing.assert_close(mine.grad, other.grad / 1024)


@pytest.mark.parametrize("balancer", [Given(update_every=2), Mixed(), balance.DWA()])
def test_an_overflow_leaves_no_trace_in_the_state(balancer: Balancer) -> None:
    model = Model()
    before = {name: value.clone() for name, value in balancer.state_dict().items()}
    found = losses(model)
    found["b"] = found["b"] * torch.inf
    balance.backward(found, balancer, shared=model.shared)
    assert not torch.isfinite(gradient(model)).all()
    after = balancer.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_mixed_precision() -> None:
    model, balancer = Model("wide"), Given()
    rows = jacobian(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = losses(model)
    balance.backward(found, balancer, shared=model.shared)
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in model.parameters())
    difference = (gradient(model) - WEIGHTS @ rows).norm() / (WEIGHTS @ rows).norm()
    assert difference < 0.05


def test_parameters_of_half_precision() -> None:
    model = Model().to(torch.bfloat16)
    model.x, model.y = model.x.bfloat16(), model.y.bfloat16()
    balance.backward(losses(model), Given(), shared=model.shared)
    assert all(p.grad is not None and p.grad.dtype == torch.bfloat16 for p in model.shared)


def test_compiled_modules() -> None:
    model = Model()
    expected = WEIGHTS @ jacobian(model)
    model.trunk.compile(backend="aot_eager")
    balance.backward(losses(model), Given(), shared=model.shared)
    assert_like(gradient(model), expected)


def test_unused_parameters_keep_no_gradient() -> None:
    model, lonely = Model(), nn.Linear(3, 3)
    shared = [*model.shared, *lonely.parameters()]
    balance.backward(losses(model), Given(), shared=shared)
    assert lonely.weight.grad is None


def test_a_parameter_that_one_task_does_not_use() -> None:
    model, extra = Model(), nn.Linear(8, 2)
    features = model.trunk(model.x)
    found = losses(model, features)
    found["a"] = found["a"] + extra(features).square().mean()
    expected = torch.autograd.grad(found["a"], extra.weight, retain_graph=True)[0]
    balance.backward(found, Given(), shared=[*model.shared, *extra.parameters()])
    torch.testing.assert_close(extra.weight.grad, 0.5 * expected)


def test_diagnostics_by_hand() -> None:
    gramian = torch.tensor([[4.0, -2.0, 0.0], [-2.0, 1.0, 0.0], [0.0, 0.0, 0.0]]).double()
    info = balance.Balanced(TASKS, None, gramian)
    assert info.norms.tolist() == [2, 1, 0]
    assert info.cosines.tolist() == [[1, -1, 0], [-1, 1, 0], [0, 0, 0]]
    assert info.conflicts == pytest.approx(1 / 3)
    two = balance.Balanced(("a", "b"), None, torch.diag(torch.tensor([9.0, 4.0])).double())
    assert (two.norm_ratio, two.condition_number) == (1.5, 1.5)


def test_bad_input() -> None:
    model = Model()
    shared = model.shared

    def run(found: dict[str, Tensor], **options: Any) -> None:
        balance.backward(found, options.pop("balancer", Given()), **{"shared": shared, **options})

    with pytest.raises(InputError, match="there is no loss"):
        run({})
    with pytest.raises(InputError, match=r"loss of 'a' must be a scalar, got shape \(2,\)"):
        run({"a": torch.ones(2)})
    with pytest.raises(InputError, match="loss of 'a' was not computed from any parameter"):
        run({"a": torch.ones(())})
    with pytest.raises(InputError, match="no shared parameter that is trained"):
        run(losses(model), shared=[])
    with pytest.raises(InputError, match="unknown cost 'feature'; did you mean 'features'"):
        run(losses(model), cost="feature")
    with pytest.raises(InputError, match="needs features"):
        run(losses(model), cost="features")
    with pytest.raises(InputError, match="must be computed from the shared parameters"):
        run(losses(model), cost="features", features=model.x)
    with pytest.raises(InputError, match="give last_block"):
        run(losses(model), cost="last_block")
    with pytest.raises(InputError, match="needs a method that gives weights"):
        run(losses(model), cost="last_block", last_block=shared[-1:], balancer=Mixed())
    hidden = model.trunk[:2](model.x)  # type: ignore[index]
    with pytest.raises(InputError, match="reach a loss past them"):
        run(losses(model, model.trunk[2:](hidden)), cost="features", features=hidden)  # type: ignore[index]
    with pytest.raises(InputError, match="'mean', 'sum' or 'none'"):
        run(losses(model), processes="max")
    with pytest.raises(InputError, match="unknown task 'z'"):
        Accumulation(Given(), tasks=TASKS, shared=shared).add({"z": losses(model)["a"]})
    for options in ({"update_every": 0}, {"warm_up": -1}, {"task_gradients": "none"}):
        with pytest.raises(InputError, match=next(iter(options))):
            Given(**options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'a' must be positive"):
        Given(priorities={"a": 0.0})
