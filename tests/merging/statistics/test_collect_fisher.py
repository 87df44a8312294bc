"""Fisher information that is measured: by hand, and against an independent computation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from polytask.errors import InputError
from polytask.merging import collect_fisher, merge


class Network(nn.Module):
    """Two layers with dropout, a frozen weight, a tied one, buffers and a part that is not used."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3, bias=False)
        self.again = nn.Linear(6, 3, bias=False)
        self.again.weight = self.last.weight
        self.first.bias.requires_grad_(False)
        self.dropout, self.unused = nn.Dropout(0.5), nn.Linear(2, 2, bias=False)
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("cache", torch.zeros(5), persistent=False)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(self.dropout(torch.tanh(self.first(x))))
        return self.last(hidden) + self.again(hidden.square()) * self.scale


@pytest.fixture
def network() -> Network:
    return Network().double()


def data(count: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return x, torch.arange(count) % 3


def squares(network: Network, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The squared derivatives of the loss of each example, with vmap."""
    weights = {name: value.detach() for name, value in network.named_parameters()}

    def loss(weights: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(functional_call(network, weights, (x[None],))[0], label)

    found = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, labels)
    return {name: value.square() for name, value in found.items()}


def test_a_classifier_by_hand() -> None:
    """Of W x with probabilities p, it is x_i^2 p_c (1 - p_c) for the weight from i to class c."""
    model = nn.Linear(2, 3, bias=False).double()
    x = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
    p = model(x).softmax(-1).detach()
    expected = torch.einsum("nc,ni->ci", p * (1 - p), x.square()) / 2
    found = collect_fisher(model, [x[:1], x[1:]])
    torch.testing.assert_close(found.tensors["weight"], expected)
    assert (found.kind, found.examples) == ("fisher", 2)


def test_all_classes_by_their_probabilities(network: Network) -> None:
    x, _ = data()
    found = collect_fisher(network, [x[:1], x[1:4], x[4:]]).tensors
    network.eval()
    p = network(x).softmax(-1).detach()
    for label in range(3):
        of_label = squares(network, x, torch.full((5,), label))
        for name, value in of_label.items():
            shares = p[:, label].view(-1, *[1] * (value.dim() - 1))
            found[name] = found[name] - (shares * value).mean(0)
    for name, rest in found.items():
        torch.testing.assert_close(rest, torch.zeros_like(rest), msg=name)


def test_given_labels(network: Network) -> None:
    x, labels = data()

    def forward(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1], reduction="none")

    found = collect_fisher(network, [(x, labels)], forward=forward, labels="given").tensors
    network.eval()
    for name, value in squares(network, x, labels).items():
        torch.testing.assert_close(found[name], value.mean(0))


def test_drawn_labels_have_the_same_mean() -> None:
    model, x = nn.Linear(2, 3).double(), torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    exact = collect_fisher(model, [x]).tensors
    drawn = collect_fisher(model, [x] * 250, labels="sampled", seed=5)
    again = collect_fisher(model, [x] * 250, labels="sampled", seed=5)
    assert drawn.examples == 250
    for name, value in drawn.tensors.items():
        torch.testing.assert_close(value, exact[name], rtol=0.3, atol=1e-3)
        assert torch.equal(value, again.tensors[name])


def test_what_has_a_tensor(network: Network) -> None:
    found = collect_fisher(network, [data()[0]]).tensors
    names = ["first.weight", "first.bias", "last.weight", "unused.weight", "norm.weight"]
    assert set(found) == {*names, "norm.bias", "scale"}
    assert all(not found[name].any() for name in ("unused.weight", "scale"))
    assert all(bool((found[name] > 0).all()) for name in names if name != "unused.weight")


def test_the_model_stays_as_it_was(network: Network) -> None:
    network.train()
    network.dropout.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    collect_fisher(network, [data()[0]])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert not network.dropout.training
    assert [n for n, p in network.named_parameters() if not p.requires_grad] == ["first.bias"]
    assert all(parameter.grad is None for parameter in network.parameters())


def test_narrow_weights_are_measured_in_float32() -> None:
    model = nn.Linear(2, 2).bfloat16()
    found = collect_fisher(model, [torch.full((1, 2), 1e-3).bfloat16()]).tensors["weight"]
    assert found.dtype == torch.float32
    assert 0 < float(found.max()) < 1e-6


def test_measured_models_are_merged(network: Network, tmp_path: Path) -> None:
    """What is measured fits the tensors of the file that it is measured of."""
    for name in "ab":
        save_file(
            {n: t for n, t in network.state_dict().items() if n != "again.weight"},
            tmp_path / f"{name}.safetensors",
        )
        collect_fisher(network, [data()[0]]).save(tmp_path / f"{name}.fisher.safetensors")
    files = [tmp_path / f"{name}.safetensors" for name in "ab"]
    statistics = [tmp_path / f"{name}.fisher.safetensors" for name in "ab"]
    merge("fisher", models=files, statistics=statistics, out=tmp_path / "out")
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in found.items())


@pytest.mark.parametrize(
    ("batches", "options", "message"),
    [
        ([], {}, "batches: there is none"),
        ([torch.ones(1, 2)], {"labels": "true"}, "unknown labels 'true'"),
        ([torch.ones(2)], {}, r"forward: expected logits, \[examples, classes\], got \(2,\)"),
        ([torch.ones(1, 2)], {"labels": "given"}, r"a loss for each example, got \(1, 2\)"),
        ([torch.ones(1, 2)], {"forward": lambda model, x: (model(x),)}, "got tuple"),
        ([torch.full((1, 2), float("inf"))], {}, "forward: logits are NaN or infinite"),
        ([torch.ones(1, 2)], {"forward": lambda model, x: model(x)[:, :1]}, "one logit has no cla"),
        (
            [torch.ones(1, 2)],
            {"forward": lambda model, x: model(x).detach()},
            "forward: what it returns has no gradient",
        ),
        (
            [torch.ones(1, 2)],
            {"forward": lambda model, x: model(x)[:, 0] * float("inf"), "labels": "given"},
            "tensor 'weight': fisher is NaN or infinite",
        ),
    ],
)
def test_what_cannot_be_measured(batches: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        collect_fisher(nn.Linear(2, 2), batches, **options)


def test_parameters_of_integers_have_none() -> None:
    layer = nn.Linear(1, 2, bias=False)
    layer.register_parameter("scale", nn.Parameter(torch.ones(1, dtype=torch.int8), False))
    nn.init.zeros_(layer.weight)
    found = collect_fisher(layer, [torch.tensor([[3.0]])])
    assert found.tensors.keys() == {"weight"}
    assert not layer.scale.requires_grad
