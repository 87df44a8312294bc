"""Graphs that are not plain: hooks, features of features, parameters in unusual places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from polytask import balance
from polytask.balance import Accumulation, Equal, GramianWeighting, MoDo
from polytask.errors import InputError

WEIGHTS = torch.tensor([0.5, 2.0], dtype=torch.float64)
WAYS: dict[str, dict[str, Any]] = {
    "exact": {},
    "low": {"memory": "low"},
    "features": {"cost": "features"},
}


class Given(GramianWeighting):
    """Fixed weights; remembers what it saw."""

    def weights(self, gramian: Tensor, losses: balance.Losses) -> Tensor:
        self.seen = gramian
        return WEIGHTS


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, dtype=torch.float64)


def rows_of(losses: Mapping[str, Tensor], parameters: list[Tensor]) -> Tensor:
    """``[K, P]`` by autograd."""
    rows = [
        torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
        for loss in losses.values()
    ]
    return torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])


def gradient(parameters: list[Tensor]) -> Tensor:
    return torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])


def check(
    losses: Callable[[], tuple[Mapping[str, Tensor], Any]], parameters: list[Tensor], way: str
) -> None:
    """The update, and where all parameters are compared the Gramian, are those of autograd."""
    rows = rows_of(losses()[0], parameters)
    found, features = losses()
    balancer = Given()
    balance.backward(found, balancer, shared=parameters, features=features, **WAYS[way])
    torch.testing.assert_close(gradient(parameters), WEIGHTS @ rows)
    if way != "features":
        torch.testing.assert_close(balancer.seen, rows @ rows.T)


@pytest.mark.parametrize("way", WAYS)
def test_hooks_on_the_outputs_of_linear_layers(way: str) -> None:
    first, second, a, b = linear(40, 10), linear(10, 8), linear(8, 3), linear(8, 3)
    x = torch.randn(4, 40, dtype=torch.float64)

    def losses() -> tuple[Mapping[str, Tensor], Tensor]:
        h = first(x)
        h.register_hook(lambda g: 0.1 * g)
        y = second(h.tanh())
        y.register_hook(lambda g: 0.3 * g)
        out = a(y)
        out.register_hook(lambda g: 5 * g)
        return {"a": out.square().mean(), "b": b(y).exp().mean()}, y

    check(losses, [*first.parameters(), *second.parameters()], way)


@pytest.mark.parametrize("neck", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_features_of_features(way: str, neck: bool) -> None:
    """Stages of a backbone, one listed twice; with a hook on one of them."""
    first, second, a, b = linear(5, 6), linear(6, 6), linear(6, 3), linear(6, 3)
    x = torch.randn(4, 5, dtype=torch.float64)

    def losses() -> tuple[Mapping[str, Tensor], list[Tensor]]:
        one = first(x).tanh()
        two = second(one).tanh()
        two.register_hook(lambda g: 0.5 * g)
        low, high = (one.exp(), two.exp()) if neck else (one, two)
        both = {"a": (a(low) + a(high)).square().mean(), "b": b(high).exp().mean()}
        return both, [one, two, two]

    check(losses, [*first.parameters(), *second.parameters()], way)


def test_the_gramian_at_features_of_features_is_of_what_heads_send() -> None:
    first, second, a, b = linear(5, 6), linear(6, 6), linear(6, 3), linear(6, 3)
    one = first(torch.randn(4, 5, dtype=torch.float64)).tanh()
    two = second(one).tanh()
    cut = [feature.detach().requires_grad_() for feature in (one, two)]
    alone = {"a": (a(cut[0]) + a(cut[1])).square().mean(), "b": b(cut[1]).exp().mean()}
    rows = rows_of(alone, cut)
    balancer = Given()
    balance.backward(
        {"a": (a(one) + a(two)).square().mean(), "b": b(two).exp().mean()},
        balancer,
        shared=[*first.parameters(), *second.parameters()],
        features=[one, two],
        cost="features",
    )
    torch.testing.assert_close(balancer.seen, rows @ rows.T)


def test_what_is_below_the_features_and_not_shared_gets_the_update() -> None:
    stem, trunk, head = linear(5, 6), linear(6, 6), linear(6, 3)
    y = trunk(stem(torch.randn(4, 5, dtype=torch.float64)).tanh()).tanh()
    losses = {"a": head(y).square().mean(), "b": head(y).exp().mean()}
    rows = rows_of(losses, list(stem.parameters()))
    options: dict[str, Any] = {"features": y, "cost": "features"}
    balance.backward(losses, Given(), shared=trunk.parameters(), **options)
    torch.testing.assert_close(gradient(list(stem.parameters())), WEIGHTS @ rows)


def test_features_that_are_refused() -> None:
    trunk, head = linear(5, 12), linear(6, 3)
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    mean, spread = trunk(x).chunk(2, 1)
    z = mean + spread.exp()

    def refused(losses: dict[str, Tensor], features: Any, said: str) -> None:
        shared = trunk.parameters()
        with pytest.raises(InputError, match=said):
            balance.backward(losses, Given(), shared=shared, features=features, cost="features")

    both = {"a": head(z).mean(), "b": head(mean).exp().mean()}
    refused(both, mean, "uses an output of the shared part that is not given")
    refused({**both, "b": spread[0, 0]}, [mean, spread[0, 0]], "not given|is one of the features")
    aux = mean.square().mean()
    refused({"a": head(z).mean(), "b": aux}, [z, aux], "the loss of 'b' is one of the features")
    refused({"a": head(z).mean(), "b": (head(z) + x.sum()).mean()}, z, "reach a loss past them")
    refused(both, head(mean.detach()), "do not depend on any shared parameter")
    refused(both, {"out": z}, "features must be a tensor or several, got str")
    refused(both, [], "features: there is none")


@pytest.mark.parametrize("options", [*WAYS.values(), {"cost": "last_block"}])
def test_reentrant_checkpoints_are_refused(options: dict[str, Any]) -> None:
    trunk, head = linear(5, 6), linear(6, 3)
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    y = checkpoint(trunk, x, use_reentrant=True)
    losses = {"a": head(y).square().mean(), "b": head(y).exp().mean()}
    places = {"features": y, "last_block": trunk.parameters()}
    with pytest.raises(InputError, match="use_reentrant=False"):
        balance.backward(losses, Given(), shared=trunk.parameters(), **places, **options)


@pytest.mark.parametrize("way", ["exact", "low"])
@pytest.mark.parametrize(
    "layer",
    [
        lambda x, w, _, one: F.linear(x, w, one),
        lambda x, w, bias, _: F.linear(x.to_sparse(), w, bias),
    ],
)
def test_linear_layers_that_are_not_plain(layer: Callable[..., Tensor], way: str) -> None:
    x = torch.randn(4, 40, dtype=torch.float64)
    w = torch.randn(10, 40, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(10, dtype=torch.float64, requires_grad=True)
    one = torch.randn(1, dtype=torch.float64, requires_grad=True)
    parameters: list[Tensor] = [w, one] if layer(x, w, None, one).shape == (4, 10) else [w, bias]

    def losses() -> tuple[Mapping[str, Tensor], None]:
        y = layer(x, w, bias, one) + 0 * sum(p.sum() for p in parameters)
        return {"a": y.square().mean(), "b": y.exp().mean()}, None

    check(losses, parameters, way)


def test_inputs_of_different_lengths_keep_their_digits() -> None:
    """A row of huge numbers whose output gradient is 0 takes no digit from the others."""
    layer, x = linear(40, 10), torch.randn(4, 40, dtype=torch.float64)
    x[0] *= 1e8

    def losses() -> tuple[Mapping[str, Tensor], None]:
        y = layer(x)[1:]
        return {"a": y.square().mean(), "b": y.exp().mean()}, None

    check(losses, list(layer.parameters()), "exact")


@pytest.mark.parametrize("way", ["exact", "low"])
def test_parameters_in_unusual_places(way: str) -> None:
    """One given twice, two of one gradient, one that is added up alone, one frozen late."""
    trunk, head = linear(5, 6), linear(6, 3)
    a, b, c = (torch.randn(6, dtype=torch.float64, requires_grad=True) for _ in range(3))
    late = torch.ones(6, dtype=torch.float64, requires_grad=True)
    x = torch.randn(4, 5, dtype=torch.float64)
    shared = [*trunk.parameters(), a, b, c]

    def losses() -> dict[str, Tensor]:
        late.requires_grad_(requires_grad=True)
        y = head((trunk(x) + a + b).tanh() * late)
        late.requires_grad_(requires_grad=False)
        return {"a": y.square().mean() + c.sum(), "b": y.exp().mean()}

    rows = rows_of(losses(), shared)
    balance.backward(losses(), Given(), shared=[*shared, *shared, late], **WAYS[way])
    torch.testing.assert_close(gradient(shared), WEIGHTS @ rows)


@pytest.mark.parametrize("balancer", [Equal(), Given()])
def test_no_two_gradients_have_one_storage(balancer: balance.Balancer) -> None:
    trunk = linear(5, 6)
    a, b = (torch.randn(4, 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    c = torch.randn(3, dtype=torch.float64, requires_grad=True)
    y = trunk(torch.randn(4, 5, dtype=torch.float64)) + a + b
    losses = {"a": y.square().mean() + c.sum(), "b": y.exp().mean()}
    balance.backward(losses, balancer, shared=trunk.parameters())
    assert b.grad is not None
    before = b.grad.clone()
    for tensor in (a, c):
        assert tensor.grad is not None
        tensor.grad.mul_(2)
    assert torch.equal(b.grad, before)


def test_sparse_and_dense_gradients_of_one_parameter() -> None:
    words, numbers = torch.randn(20, 6, dtype=torch.float64), torch.tensor([1, 4, 4])
    both = []
    for _ in range(2):
        weight = words.clone().requires_grad_()
        y = F.embedding(numbers, weight, sparse=True)
        losses = {"a": y.square().mean(), "b": weight.exp().mean()}
        if both:
            balance.backward(losses, Equal(), shared=[weight])
            balance.backward({"b": weight.exp().mean()}, Equal(), shared=[weight])
        else:
            (losses["a"] + losses["b"] + weight.exp().mean()).backward()
        assert weight.grad is not None
        both.append(weight.grad.to_dense())
    torch.testing.assert_close(both[1], both[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_around_the_step_changes_nothing(dtype: torch.dtype) -> None:
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        trunk, head = nn.Linear(40, 64), nn.Linear(64, 3)
        y = head(trunk(torch.randn(4, 40)).tanh())
        with torch.autocast("cpu", dtype, enabled=enabled):
            info = balance.backward(
                {"a": y.square().mean(), "b": (y - 1).square().mean()},
                balance.MGDA(),
                shared=trunk.parameters(),
            )
        assert info.gramian is not None
        found.append([info.gramian, gradient(list(trunk.parameters()))])
    for mine, other in zip(*found, strict=True):
        assert torch.equal(mine, other)


class TestAccumulation:
    def test_a_batch_may_be_overwritten(self) -> None:
        trunk, head = linear(40, 6), linear(6, 3)
        batches, buffer = torch.randn(3, 4, 40, dtype=torch.float64), torch.empty(4, 40).double()
        shared = list(trunk.parameters())

        def losses(x: Tensor) -> dict[str, Tensor]:
            y = head(trunk(x).tanh())
            return {"a": y.square().mean(), "b": y.exp().mean()}

        balancer = Given()
        step = Accumulation(balancer, tasks=["a", "b"], shared=shared)
        for batch in batches:
            step.add(losses(buffer.copy_(batch)))
        step.finish()
        rows = torch.stack([rows_of(losses(batch), shared) for batch in batches]).sum(0)
        torch.testing.assert_close(gradient(shared), WEIGHTS @ rows)
        torch.testing.assert_close(balancer.seen, rows @ rows.T)

    @pytest.mark.parametrize("second", ["without", "alone"])
    @pytest.mark.parametrize("more", [False, True])
    def test_a_bias_that_one_batch_uses_in_another_way(self, second: str, more: bool) -> None:
        layer, rest = linear(40, 10), linear(10, 10)
        shared = [*layer.parameters(), *(rest.parameters() if more else ())]
        x = torch.randn(2, 4, 40, dtype=torch.float64)

        def losses(part: int) -> dict[str, Tensor]:
            if part == 0:
                y = layer(x[0])
            else:
                y = F.linear(x[1], layer.weight) if second == "without" else layer.bias
            y = rest(y) if more else y
            return {"a": y.square().mean(), "b": y.exp().mean()}

        balancer = Given()
        step = Accumulation(balancer, tasks=["a", "b"], shared=shared)
        for part in range(2):
            step.add(losses(part))
        step.finish()
        rows = rows_of(losses(0), shared) + rows_of(losses(1), shared)
        torch.testing.assert_close(gradient(shared), WEIGHTS @ rows)
        torch.testing.assert_close(balancer.seen, rows @ rows.T)

    def test_it_is_finished_once(self) -> None:
        layer = linear(4, 2)
        step = Accumulation(Given(), tasks=["a", "b"], shared=layer.parameters())
        y = layer(torch.ones(3, 4, dtype=torch.float64))
        step.add({"a": y.sum(), "b": y.square().sum()})
        step.finish()
        for again in (step.finish, lambda: step.add({"a": layer.weight.sum()})):
            with pytest.raises(InputError, match="this step is finished; make one for each step"):
                again()


def test_bad_input_is_told() -> None:
    trunk = linear(4, 2)
    y = trunk(torch.ones(3, 4, dtype=torch.float64))
    losses: dict[str, Any] = {"a": y.sum(), "b": y.square().sum()}

    def refused(said: str, given: Any = losses, **options: Any) -> None:
        with pytest.raises(InputError, match=said):
            balance.backward(given, Given(), **{"shared": trunk.parameters(), **options})

    refused("shared must be several parameters, .* got Linear", shared=trunk)
    refused("shared must be several parameters, .* got Parameter", shared=trunk.weight)
    refused("shared must be parameters alone, got tuple", shared=trunk.named_parameters())
    refused("losses must map tasks to scalar tensors, got list", [y.sum()])
    refused("the loss of 'b' must be a scalar tensor, got float", {"a": y.sum(), "b": 0.0})
    refused("scale must be positive, got 0", scale=0)
    weight = torch.ones(2, dtype=torch.complex128, requires_grad=True)
    wave = {"a": weight.abs().sum(), "b": weight.real.sum()}
    refused("complex parameters cannot be balanced", wave, shared=[weight])


def test_the_last_block_may_be_frozen_in_part() -> None:
    first, block, head = linear(4, 5), linear(5, 5), linear(5, 2)
    block.bias.requires_grad_(requires_grad=False)
    shared: list[Tensor] = [*first.parameters(), block.weight]
    y = head(block(first(torch.ones(3, 4, dtype=torch.float64)).tanh()).tanh())
    losses = {"a": y.square().mean(), "b": y.exp().mean()}
    rows = rows_of(losses, shared)
    balance.backward(
        losses, Given(), shared=shared, last_block=block.parameters(), cost="last_block"
    )
    torch.testing.assert_close(gradient(shared), WEIGHTS @ rows)


def test_independent_batches_share_nothing() -> None:
    layer = linear(4, 2)

    def batch() -> dict[str, Tensor]:
        y = layer(torch.randn(3, 4, dtype=torch.float64))
        return {"a": y.sum(), "b": y.square().sum()}

    once = batch()
    for given in ([once, once], [once, batch()]):
        with pytest.raises(InputError, match="two of the three batches share a computation"):
            balance.backward(once, MoDo(), shared=layer.parameters(), independent=given)
    some = (batch() for _ in range(2))
    balance.backward(once, MoDo(), shared=layer.parameters(), independent=some)
