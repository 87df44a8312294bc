"""Alignment of units: values by hand, exact recovery, what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.merging.test_invariants import same
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import (
    Alignment,
    Axis,
    PermutationSpec,
    align_state_dict,
    align_state_dicts,
    permute_state_dict,
)

Model = dict[str, Tensor]

HIDDEN = PermutationSpec({"up": ("hidden",), "down": (None, "hidden")})
REFERENCE = {"up": torch.tensor([[1.0, 0.0], [0.0, 1.0]]), "down": torch.tensor([[3.0, 5.0]])}


def perceptron(widths: Sequence[int], seed: int) -> Model:
    random = torch.Generator().manual_seed(seed)
    model = {}
    for number, (into, out) in enumerate(itertools.pairwise(widths)):
        model[f"{number}.weight"] = torch.randn(out, into, generator=random)
        model[f"{number}.bias"] = torch.randn(out, generator=random)
    return model


def hidden_units(widths: Sequence[int]) -> PermutationSpec:
    names = [None, *[f"P{number}" for number in range(1, len(widths) - 1)], None]
    axes: dict[str, tuple[str | None, ...]] = {}
    for number, (into, out) in enumerate(itertools.pairwise(names)):
        axes[f"{number}.weight"] = (out, into)
        axes[f"{number}.bias"] = (out,)
    return PermutationSpec(axes)


def shuffled(model: Model, spec: PermutationSpec, seed: int) -> tuple[Model, dict[str, Tensor]]:
    """The model in a random order, and the permutations that undo it."""
    random = torch.Generator().manual_seed(seed)
    units = spec.units({name: tuple(tensor.shape) for name, tensor in model.items()})
    order = {name: torch.randperm(count, generator=random) for name, count in units.items()}
    undone = {name: permutation.argsort() for name, permutation in order.items()}
    return permute_state_dict(model, spec, order), undone


def squared(one: Model, other: Model) -> float:
    return sum(float((one[name].double() - other[name].double()).square().sum()) for name in one)


def test_two_units_by_hand() -> None:
    model = {"up": torch.tensor([[0.1, 2.0], [1.0, 0.2]]), "down": torch.tensor([[4.0, 2.0]])}
    found = align_state_dict(REFERENCE, model, HIDDEN)
    # In place: 0.1 + 0.2 + 12 + 10 = 22.3; changed: 1 + 2 + 6 + 20 = 29.
    assert found.permutations["hidden"].tolist() == [1, 0]
    assert found.state["up"].tolist() == [[1.0, pytest.approx(0.2)], [pytest.approx(0.1), 2.0]]
    assert found.state["down"].tolist() == [[2.0, 4.0]]
    before = 0.9**2 + 2**2 + 1**2 + 0.8**2 + 1**2 + 3**2
    assert found.distance_before == pytest.approx(before**0.5, rel=1e-6)
    assert found.distance_after == pytest.approx((0.2**2 + 0.1**2 + 1 + 1 + 1) ** 0.5, rel=1e-6)


def test_what_moves_in_blocks_and_repeats() -> None:
    axis = Axis("heads", repeat=2, block=2)
    assert axis.index(torch.tensor([1, 0])).tolist() == [2, 3, 0, 1, 6, 7, 4, 5]
    tensor = torch.arange(8)
    spec = PermutationSpec({"qk": (axis,)})
    moved = permute_state_dict({"qk": tensor}, spec, {"heads": torch.tensor([1, 0])})["qk"]
    assert moved.tolist() == [2, 3, 0, 1, 6, 7, 4, 5]
    assert axis.by_unit(tensor, 0).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]
    values = torch.tensor([4, 0, 1, 9, 2, 2, 3, 3])
    assert axis.sorted(values, 0).tolist() == [1, 0, 4, 9, 2, 2, 3, 3]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 10**6))
def test_a_shuffled_model_is_found_again(widths: list[int], seed: int) -> None:
    model, spec = perceptron(widths, seed), hidden_units(widths)
    other, undone = shuffled(model, spec, seed)
    found = align_state_dict(model, other, spec, seed=seed)
    assert same(found.state, model)
    assert found.distance_after == 0
    assert all(torch.equal(found.permutations[name], undone[name]) for name in undone)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=3, max_size=5), st.integers(0, 10**6))
def test_models_come_nearer_and_compute_the_same(widths: list[int], seed: int) -> None:
    one, other = perceptron(widths, seed), perceptron(widths, seed + 1)
    spec = hidden_units(widths)
    found = align_state_dict(one, other, spec, seed=seed)
    assert found.distance_before**2 == pytest.approx(squared(one, other))
    assert found.distance_after**2 == pytest.approx(squared(one, found.state), abs=1e-9)
    assert found.distance_after <= found.distance_before
    assert same(permute_state_dict(other, spec, found.permutations), found.state)
    inputs = torch.randn(3, widths[0], generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(computed(found.state, inputs), computed(other, inputs))
    again = align_state_dict(one, found.state, spec, seed=seed)
    assert again.distance_after <= found.distance_after


def computed(model: Model, values: Tensor) -> Tensor:
    layers = len(model) // 2
    for number in range(layers):
        values = values @ model[f"{number}.weight"].T + model[f"{number}.bias"]
        values = values.relu() if number < layers - 1 else values
    return values


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))
def test_one_layer_is_solved_exactly(units: int, inputs: int, seed: int) -> None:
    widths = [inputs, units, 2]
    one, other = perceptron(widths, seed), perceptron(widths, seed + 1)
    spec = hidden_units(widths)
    found = align_state_dict(one, other, spec)
    every = [
        squared(one, permute_state_dict(other, spec, {"P1": torch.tensor(order)}))
        for order in itertools.permutations(range(units))
    ]
    assert found.distance_after**2 == pytest.approx(min(every), abs=1e-6)


def test_equal_models_stay() -> None:
    model = {"up": torch.ones(4, 2), "down": torch.ones(2, 4)}  # any order is as good
    found = align_state_dict(model, dict(model), HIDDEN)
    assert found.permutations["hidden"].tolist() == [0, 1, 2, 3]
    assert found.distance_before == found.distance_after == 0


def test_the_same_seed_gives_the_same_bits() -> None:
    widths = [4, 9, 9, 9, 3]
    one, other = perceptron(widths, 0), perceptron(widths, 1)
    found = [align_state_dict(one, other, hidden_units(widths), seed=seed) for seed in (3, 3, 4)]
    assert same(found[0].state, found[1].state)
    assert found[0].distance_after == found[1].distance_after
    assert found[2].distance_after < found[2].distance_before


def test_a_permutation_on_both_axes_never_makes_it_worse() -> None:
    spec = PermutationSpec({"into": ("P",), "within": ("P", "P")})
    for seed in range(10):
        random = torch.Generator().manual_seed(seed)
        one, other = (
            {name: torch.randn(shape, generator=random) for name, shape in SQUARE.items()}
            for _ in range(2)
        )
        found = align_state_dict(one, other, spec)
        assert found.distance_after <= found.distance_before
        again, undone = shuffled(one, spec, seed)
        assert torch.equal(align_state_dict(one, again, spec).permutations["P"], undone["P"])


SQUARE = {"into": (6, 2), "within": (6, 6)}


def test_statistics_follow_but_do_not_count() -> None:
    spec = PermutationSpec({"weight": ("P",), "running_var": ("P",)})
    reference = {
        "weight": torch.tensor([1.0, 2.0]),
        "running_var": torch.tensor([9.0, 1.0]),
        "num_batches_tracked": torch.tensor(3),
    }
    model = {
        "weight": torch.tensor([2.0, 1.0]),
        "running_var": torch.tensor([9.0, 1.0]),
        "num_batches_tracked": torch.tensor(5),
    }
    found = align_state_dict(reference, model, spec)
    assert found.state["weight"].tolist() == [1, 2]
    assert found.state["running_var"].tolist() == [1, 9]
    assert int(found.state["num_batches_tracked"]) == 5
    assert found.distance_after == 0


def test_gradients_and_ties_pass() -> None:
    tied = torch.tensor([[4.0, 2.0]], requires_grad=True)
    model = {"up": torch.tensor([[0.1, 2.0], [1.0, 0.2]]), "down": tied, "again": tied}
    spec = PermutationSpec({**HIDDEN.axes, "again": (None, "hidden")})
    found = align_state_dict({**REFERENCE, "again": REFERENCE["down"]}, model, spec)
    assert found.state["down"] is found.state["again"]
    found.state["down"][0, 0].backward()
    assert tied.grad is not None
    assert tied.grad.tolist() == [[0.0, 1.0]]


def test_several_models_get_one_order() -> None:
    widths = [5, 12, 8, 3]
    start, spec = perceptron(widths, 0), hidden_units(widths)
    noisy = [
        {name: value + 0.1 * perceptron(widths, seed)[name] for name, value in start.items()}
        for seed in (1, 2, 3)
    ]
    mixed = [shuffled(model, spec, seed)[0] for seed, model in enumerate(noisy)]
    found = align_state_dicts(mixed, spec, seed=0)
    # The order is that of none of them, but the same for all: they are as near as they were.
    for one, other in itertools.combinations(range(3), 2):
        apart = squared(found[one].state, found[other].state)
        assert apart == pytest.approx(squared(noisy[one], noisy[other]), rel=1e-5)
    for model, one in zip(mixed, found, strict=True):
        assert one.distance_after < one.distance_before
        assert same(permute_state_dict(model, spec, one.permutations), one.state)
    again = align_state_dicts([one.state for one in found], spec, seed=1)
    assert all(torch.equal(p, p.sort().values) for one in again for p in one.permutations.values())
    assert same(align_state_dicts(mixed, spec, seed=0)[1].state, found[1].state)


def aligned(spec: dict[str, Any] | None = None, **model: Tensor) -> Alignment:
    chosen = HIDDEN if spec is None else PermutationSpec(spec)
    return align_state_dict(REFERENCE, {**REFERENCE, **model}, chosen)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spec": {"dwn": ("P",)}}, "permutation 'P': unknown tensor 'dwn'; did you mean 'down'"),
        ({"spec": {"up": (None, None, "P")}}, "tensor 'up': has 2 axes, none with number 2"),
        (
            {"spec": {"up": ("P",), "down": ("P",)}},
            "permutation 'P': 2 units along tensor 'up', axis",
        ),
        ({"spec": {"up": (Axis("P", block=3),)}}, "2 entries are not 1 x units x 3"),
        ({"spec": {"up": (3,)}}, "tensor 'up': 3 is no permutation"),
        ({"spec": {"up": "P"}}, "tensor 'up': expected a list, got str"),
        ({"spec": {"up": None}}, "tensor 'up': expected a list, got NoneType"),
        ({"spec": ["up"]}, "axes: expected tensor -> its axes, got list"),
        ({"up": torch.full((2, 2), torch.nan)}, "model: tensor 'up' holds NaN or infinities"),
        ({"up": torch.ones(3, 2)}, "tensor 'up' differs in shape: 2 x 2 in reference, 3 x 2 in mo"),
        ({"more": torch.ones(1)}, "model: its tensors are not those of reference: 1 extra"),
    ],
)
def test_wrong_input(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        aligned(**options)


SPEC_OF_AXES: dict[str, list[str | None]] = {"up": ["hidden"], "down": [None, "hidden"]}
MOVED = {"hidden": torch.tensor([1, 0])}


def test_the_axes_of_a_spec_will_do() -> None:
    model, _ = shuffled(REFERENCE, HIDDEN, 1)
    found = align_state_dict(REFERENCE, model, SPEC_OF_AXES)
    assert same(found.state, align_state_dict(REFERENCE, model, HIDDEN).state)
    assert align_state_dicts([REFERENCE, model], SPEC_OF_AXES)[0].distance_after == 0
    moved = permute_state_dict(model, SPEC_OF_AXES, MOVED)
    assert same(moved, permute_state_dict(model, HIDDEN, MOVED))


@pytest.mark.parametrize("spec", [None, "spec.json"])
@pytest.mark.parametrize(
    "call",
    [
        lambda spec: align_state_dict(REFERENCE, REFERENCE, spec),
        lambda spec: align_state_dicts([REFERENCE, REFERENCE], spec),
        lambda spec: permute_state_dict(REFERENCE, spec, MOVED),
    ],
)
def test_what_is_no_spec(call: Callable[[Any], object], spec: Any) -> None:
    with pytest.raises(InputError, match="spec: expected a PermutationSpec, or tensor -> its axes"):
        call(spec)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"hiden": [1, 0]}, "unknown permutation 'hiden'; did you mean 'hidden'"),
        ({"hidden": [1, 1]}, "permutation 'hidden': does not have each of 0 to 1"),
        ({"hidden": [2, 1, 0]}, "permutation 'hidden': does not have each of 0 to 1"),
    ],
)
def test_wrong_permutations(order: dict[str, list[int]], message: str) -> None:
    permutations = {name: torch.tensor(units) for name, units in order.items()}
    with pytest.raises(InputError, match=message):
        permute_state_dict(REFERENCE, HIDDEN, permutations)


def test_more_that_is_refused() -> None:
    with pytest.raises(InputError, match="block: must be an integer of at least 1, got 0"):
        Axis("P", block=0)
    with pytest.raises(InputError, match="models: give at least two, got 1"):
        align_state_dicts([REFERENCE], HIDDEN)
    one = torch.ones(2, 2)
    with pytest.raises(InputError, match="tensors 'a' and 'b' are one, but move differently"):
        permute_state_dict({"a": one, "b": one}, PermutationSpec({"a": ("P",)}), {})
