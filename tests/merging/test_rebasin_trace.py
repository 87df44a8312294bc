"""Permutations of real modules, found while they compute: exact, and as many as there are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.merging.test_invariants import same
from tests.merging.test_rebasin import shuffled
from torch import Tensor, nn
from torch.nn import functional as F

from polytask.errors import InputError
from polytask.merging import Axis, PermutationSpec, align_state_dict, permutation_spec

IMAGES, ROWS, TOKENS = (2, 3, 8, 8), (4, 3), (2, 5, 8)


class Residual(nn.Module):
    """A small network as image classifiers are: blocks add to a stream of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.block = nn.Sequential(
            nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 6, 1)
        )
        self.wider = nn.Conv2d(6, 7, 3, stride=2)
        self.head = nn.Linear(7, 4)

    def forward(self, images: Tensor) -> Tensor:
        stream = F.relu(self.stem(images))
        stream = F.relu(stream + self.block(stream))
        return self.head(F.max_pool2d(self.wider(stream), 3).flatten(1))


class Heads(nn.Module):
    """Attention with queries, keys and values in one matrix, and groups that share keys."""

    def __init__(self, heads: int, groups: int) -> None:
        super().__init__()
        self.heads, self.groups = heads, groups
        self.query, self.key, self.value = (nn.Linear(8, 3 * n) for n in (heads, groups, groups))
        self.out = nn.Linear(3 * heads, 8)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            part(tokens).unflatten(-1, (-1, 3)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        found = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
        return tokens + self.out(found.transpose(1, 2).reshape(*tokens.shape[:2], -1))


class ByHand(nn.Module):
    """Heads as products of matrices; a norm of its own; parameters that are no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 8)
        self.first = nn.Parameter(torch.randn(1, 1, 8))
        self.joint, self.out, self.scale = nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 1)
        self.norm = nn.Parameter(torch.rand(8))
        self.final = nn.Linear(8, 2)

    def forward(self, numbers: Tensor) -> Tensor:
        stream = torch.cat([self.first.expand(len(numbers), -1, -1), self.embed(numbers)], dim=1)
        parts = self.joint(stream).chunk(3, dim=-1)
        query, key, value = (part.view(*part.shape[:2], 2, 4).transpose(1, 2) for part in parts)
        weights = (query @ key.mT / 2).softmax(-1)
        stream = stream + self.out((weights @ value).permute(0, 2, 1, 3).flatten(2))
        stream = stream * torch.rsqrt(stream.pow(2).mean(-1, keepdim=True) + 1e-6) * self.norm
        return self.final(stream[:, 0] * self.scale(stream[:, 0]))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(3, 10), nn.Linear(5, 2)

    def forward(self, rows: Tensor) -> Tensor:
        gate, up = self.into(rows).chunk(2, -1)
        return self.out(F.silu(gate) * up)


def numbers() -> Tensor:
    return torch.arange(6).view(2, 3)


def of(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(shape)


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], dict[str, int]]] = {
    "perceptron": (
        lambda: nn.Sequential(
            nn.Linear(3, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)
        ),
        of(*ROWS),
        {"0.weight[0]": 6, "3.weight[0]": 5},
    ),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.PReLU(4),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(36, 7),
            nn.Linear(7, 2),
        ),
        of(*IMAGES),
        {"0.weight[0]": 4, "6.weight[0]": 7},
    ),
    "residual": (
        Residual,
        of(*IMAGES),
        {"stem.0.weight[0]": 6, "block.0.weight[0]": 5, "wider.weight[0]": 7},
    ),
    "filters of single channels": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 1),
            nn.Conv2d(4, 8, 3, groups=4),
            nn.ConvTranspose2d(8, 5, 2),
            nn.InstanceNorm2d(5, affine=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(5, 2, 1),
        ),
        of(*IMAGES),
        {"0.weight[0]": 4, "2.weight[1]": 5},
    ),
    "groups of channels move whole": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 1), nn.GroupNorm(3, 6), nn.Conv2d(6, 2, 1)),
        of(*IMAGES),
        {"0.weight[0]": 3},
    ),
    "one group of all channels": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 1), nn.GroupNorm(1, 6), nn.Conv2d(6, 2, 1)),
        of(*IMAGES),
        {"0.weight[0]": 6},
    ),
    "channels in groups of their own": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=2), nn.Conv2d(4, 3, 1)),
        of(*IMAGES),
        {},
    ),
    "gates": (Gated, of(*ROWS), {"into.weight[0]": 5}),
    "halves": (
        lambda: nn.Sequential(nn.Linear(3, 10), nn.GLU(), nn.Linear(5, 2)),
        of(*ROWS),
        {"0.weight[0]": 5},
    ),
    "heads": (lambda: Heads(4, 4), of(*TOKENS), {"query.weight[0]": 4}),
    "heads that share keys": (lambda: Heads(6, 3), of(*TOKENS), {"query.weight[0]": 3}),
    "by hand": (ByHand, numbers, {"first[2]": 8, "joint.weight[0]": 2}),
    "layers of PyTorch": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2, enable_nested_tensor=False
        ),
        of(*TOKENS),
        {
            f"layers.{layer}.{name}[0]": units
            for layer in (0, 1)
            for name, units in (("self_attn.in_proj_weight", 2), ("linear1.weight", 12))
        },
    ),
}


def random_module(make: Callable[[], nn.Module]) -> nn.Module:
    """A module in float64 none of whose values is at its start."""
    torch.manual_seed(0)
    module = make().double().eval()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 + 0.2 * torch.rand(tensor.shape))
    return module


@pytest.mark.parametrize("kind", list(CASES))
def test_all_units_that_may_move_and_no_others(kind: str) -> None:
    make, inputs, expected = CASES[kind]
    module = random_module(make)
    before = copy.deepcopy(module.state_dict())
    spec = permutation_spec(module.train(), inputs())
    assert module.training
    assert same(module.state_dict(), before)
    assert spec.unknown == ()
    shapes = {name: tuple(tensor.shape) for name, tensor in before.items()}
    assert spec.units(shapes) == expected
    # Another order computes the same, for inputs that the tracer never saw; and it is found again.
    state, _ = shuffled(before, spec, 1)
    other = random_module(make)
    other.load_state_dict(state)
    values = inputs().flip(0)
    values = values.double() if values.is_floating_point() else values
    with torch.no_grad():
        torch.testing.assert_close(other(values), module.eval()(values))
    assert not expected or not same(state, before)
    assert same(align_state_dict(before, state, spec).state, before)


def test_the_axes_of_a_network_with_residuals() -> None:
    spec = permutation_spec(Residual(), torch.randn(IMAGES))
    stream, inner, wide = (Axis(f"{name}.weight[0]") for name in ("stem.0", "block.0", "wider"))
    moved = {name: tuple(axes[:2]) for name, axes in spec.axes.items()}
    vectors = ("weight", "bias", "running_mean", "running_var")
    assert moved == {
        "stem.0.weight": (stream, None),
        **{f"stem.1.{name}": (stream,) for name in vectors},
        "block.0.weight": (inner, stream),
        "block.0.bias": (inner,),
        **{f"block.1.{name}": (inner,) for name in vectors},
        "block.3.weight": (stream, inner),
        "block.3.bias": (stream,),
        "wider.weight": (wide, stream),
        "wider.bias": (wide,),
        "head.weight": (None, wide),
    }


def test_channels_are_blocks_after_they_are_made_flat() -> None:
    make, inputs, _ = CASES["convolutions"]
    spec = permutation_spec(make(), inputs())
    assert spec.of("6.weight") == (Axis("6.weight[0]"), Axis("0.weight[0]", block=9))
    heads = permutation_spec(Heads(6, 3), torch.randn(TOKENS))
    assert heads.of("query.weight")[0] == Axis("query.weight[0]", block=6)
    assert heads.of("key.weight")[0] == Axis("query.weight[0]", block=3)
    joint = permutation_spec(ByHand(), numbers())
    assert joint.of("joint.bias") == (Axis("joint.weight[0]", repeat=3, block=4),)


class Sorted(nn.Module):
    """A layer whose units meet a function that nobody follows."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.into, self.out, self.function = nn.Linear(3, 5), nn.Linear(5, 2), function
        self.after, self.unused = nn.Linear(2, 4), nn.Linear(4, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, rows: Tensor) -> Tensor:
        return self.last(self.after(self.out(self.function(self.into(rows)))))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda rows: rows.cumsum(-1), "cumsum"),
        (lambda rows: rows.sort(-1).values, "sort"),
        (lambda rows: rows.flip(-1), "flip"),
        (lambda rows: rows if rows.max().item() > 0 else -rows, "max"),
        (lambda rows: rows.index_select(1, torch.arange(5)), "index_select"),
    ],
)
def test_what_is_not_known_stays_and_is_named(
    function: Callable[[Tensor], Any], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    module = Sorted(function)
    spec = permutation_spec(module, torch.randn(ROWS))
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert spec.units(shapes) == {"out.weight[0]": 2, "after.weight[0]": 4}
    assert spec.unknown == (f"module: {name}",)
    assert f"units keep their order that meet: module: {name}" in caplog.text


def test_a_unit_that_is_read_by_its_number_stays() -> None:
    spec = permutation_spec(Sorted(lambda rows: rows * rows[:, :1]), torch.randn(ROWS))
    assert "into.weight" not in spec.axes
    assert spec.unknown == ()


def test_recurrent_layers_stay() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.GRU(4, 5))
    assert permutation_spec(module, torch.randn(ROWS)) == PermutationSpec({}, unknown=["1: gru"])


def unseen(rows: Tensor) -> Tensor:
    with torch._C.DisableTorchFunction():
        return rows * torch.arange(rows.shape[1])


def test_what_cannot_be_followed_is_noticed() -> None:
    with pytest.raises(InputError, match="Sorted: computes something else with its units in an"):
        permutation_spec(Sorted(unseen), torch.randn(ROWS))


def test_inputs_in_every_form() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.out = nn.Linear(3, 5), nn.Linear(3, 5), nn.Linear(5, 1)

        def forward(self, one: Tensor, two: Tensor) -> dict[str, Tensor]:
            return {"found": self.out(self.one(one) * self.two(two))}

    one, two = torch.randn(2, *ROWS)
    found = permutation_spec(Two(), (one, two))
    assert found == permutation_spec(Two(), {"one": one, "two": two})
    assert found.of("one.weight") == (Axis("one.weight[0]"), None)
    assert found.of("two.weight") == (Axis("one.weight[0]"), None)


def test_a_module_without_result() -> None:
    class Silent(nn.Module):
        def forward(self, rows: Tensor) -> None:
            return None

    with pytest.raises(InputError, match="module: expected a module, got NoneType"):
        permutation_spec(None, torch.randn(ROWS))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Silent: returns no tensor"):
        permutation_spec(Silent(), torch.randn(ROWS))
