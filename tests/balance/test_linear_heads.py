"""Gradients at features by weights and output gradients of the heads are those of autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polytask import balance
from polytask.balance.engine import linear_heads
from polytask.balance.engine.features import FeatureGradients
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.worth import heads_pay

ROWS, WIDTH = 12, 20
Heads = dict[str, Callable[[Tensor], Tensor]]


class Two(nn.Module):
    """A head of two linear layers beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.spread = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.mean(x), self.spread(x).tanh()], dim=1)


class Half(nn.Module):
    """A linear layer, and something else that reads the features."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + x.tanh().sum(1, keepdim=True)


LINEAR: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(WIDTH, 3),
    lambda: nn.Linear(WIDTH, 1, bias=False),
    lambda: nn.Sequential(nn.Linear(WIDTH, 4), nn.ReLU(), nn.Linear(4, 2)),
    Two,
]
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "something else too": Half,
    "no linear layer": lambda: nn.Sequential(nn.Tanh(), nn.Linear(WIDTH, 1)),
    "wide": lambda: nn.Linear(WIDTH, 400),
}


def problem(*made: Callable[[], nn.Module]) -> tuple[nn.Linear, Tensor, dict[str, Tensor]]:
    torch.manual_seed(0)
    trunk, heads = nn.Linear(5, WIDTH), [make() for make in made]
    features = trunk(torch.randn(ROWS, 5)).tanh()
    losses = {f"{k}": (head(features) - k).square().mean() for k, head in enumerate(heads)}
    return trunk, features, losses


def kept(trunk: nn.Module, features: Tensor, losses: dict[str, Tensor], **options: Any) -> Any:
    return FeatureGradients(
        losses, [*losses], [features], list(trunk.parameters()), retain_graph=True, **options
    )


def test_they_are_those_of_autograd() -> None:
    trunk, features, losses = problem(*LINEAR)
    found = kept(trunk, features, losses, scale=2.0)
    rows = [torch.autograd.grad(loss, features, retain_graph=True)[0] for loss in losses.values()]
    expected = torch.stack(rows).flatten(1).double()
    assert found._heads is not None
    torch.testing.assert_close(found.gramian(Processes("none")), expected @ expected.T)
    torch.testing.assert_close(found.rows.double(), 2 * expected)
    weights = torch.tensor([0.3, -1.0, 2.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(
        found._heads.mixed(weights).flatten().double(), 2 * weights @ expected
    )


def test_factors_keep_their_digits_in_bfloat16() -> None:
    heads = linear_heads.LinearHeads(
        tasks=[0], weights=[torch.ones(1, 2).bfloat16()], outputs=[torch.ones(3, 1).bfloat16()]
    )
    factor = torch.tensor([1.001], dtype=torch.float64)
    assert heads.mixed(factor).tolist() == [[pytest.approx(1.001)] * 2] * 3
    assert heads.rows(1).dtype == torch.float32


@pytest.mark.parametrize("method", ["pcgrad", "grad_drop"])
@pytest.mark.parametrize("last", [*LINEAR, *OTHERS.values()])
def test_a_step_is_that_without(
    method: str, last: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients = []
    for pays in (True, False):
        if not pays:
            monkeypatch.setattr(linear_heads, "heads_pay", lambda *_: False)
        trunk, features, losses = problem(*LINEAR[:2], last)
        balancer, shared = balance.get(method), list(trunk.parameters())
        balance.backward(losses, balancer, shared=shared, features=features, cost="features")
        gradients.append([parameter.grad for parameter in shared])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("last", OTHERS.values(), ids=OTHERS)
def test_other_heads_are_walked_to_the_features(last: Callable[[], nn.Module]) -> None:
    trunk, features, losses = problem(*LINEAR, last)
    assert kept(trunk, features, losses)._heads is None


def test_a_head_that_a_loss_ignores_has_zeros() -> None:
    torch.manual_seed(0)
    trunk, two = nn.Linear(5, WIDTH), Two()
    features = trunk(torch.randn(ROWS, 5))
    y = two(features)
    losses = {"a": y[:, 0].square().mean(), "b": nn.Linear(WIDTH, 1)(features).square().mean()}
    found = kept(trunk, features, losses)
    expected = torch.autograd.grad(losses["a"], features, retain_graph=True)[0]
    torch.testing.assert_close(found.rows[0], expected.flatten())


def test_an_overflow_is_seen() -> None:
    trunk, features, losses = problem(*LINEAR)
    losses["0"] = losses["0"] * torch.inf
    balancer = balance.get("pcgrad")
    balance.backward(
        losses, balancer, shared=trunk.parameters(), features=features, cost="features"
    )
    assert balancer.steps == 0
    assert trunk.weight.grad is not None
    assert not trunk.weight.grad.isfinite().any()


def test_features_of_words_are_walked_to() -> None:
    torch.manual_seed(0)
    trunk, heads = nn.Linear(5, WIDTH), [nn.Linear(WIDTH, 1) for _ in range(2)]
    features = trunk(torch.randn(ROWS, 3, 5))
    losses = {f"{k}": head(features).square().mean() for k, head in enumerate(heads)}
    assert kept(trunk, features, losses)._heads is None


@pytest.mark.parametrize(
    ("outputs", "tasks", "wanted"), [(20, 2, True), (400, 40, True), (2000, 2, False)]
)
def test_when_it_pays(outputs: int, tasks: int, *, wanted: bool) -> None:
    assert heads_pay((128, 512), outputs, tasks) is wanted
