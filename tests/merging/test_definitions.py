"""Every method against its definition in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.merging import definitions as define
from tests.merging.conftest import SHAPES, Model, random_model, trained
from tests.merging.definitions import Array

from polytask.errors import InputError
from polytask.merging import merge_state_dicts
from polytask.merging.engine.identity import identify
from polytask.merging.engine.random_numbers import kept, key_of
from polytask.merging.sources.state_dict import StateDict

CLOSE = {"rtol": 1e-5, "atol": 1e-8}


def array(model: Model, name: str) -> Array:
    return model[name].double().numpy()


def deltas_of(base: Model, models: Sequence[Model], name: str) -> list[Array]:
    return [array(model, name) - array(base, name) for model in models]


def compare(merged: Model, expected: Callable[[str], Array]) -> None:
    assert set(merged) == set(SHAPES)
    for name, value in merged.items():
        assert value.shape == SHAPES[name]
        np.testing.assert_allclose(value.double().numpy(), expected(name), **CLOSE)


def test_average() -> None:
    _, models = trained(3)
    merged = merge_state_dicts("average", models=models)
    compare(merged, lambda name: define.average([array(model, name) for model in models]))


@pytest.mark.parametrize("normalise", [True, False])
def test_linear(normalise: bool) -> None:
    _, models = trained(3)
    weights = [0.5, 2.0, -0.25]
    merged = merge_state_dicts("linear", models=models, weights=weights, normalise=normalise)
    compare(
        merged,
        lambda name: define.linear(
            [array(model, name) for model in models], weights, normalise=normalise
        ),
    )


@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])
def test_slerp_of_models_far_apart(t: float) -> None:
    models = [trained(1)[0], trained(2)[1][1]]
    models[1] = {
        name: value.flip(0) if value.dim() else -value for name, value in models[1].items()
    }
    merged = merge_state_dicts("slerp", models=models, t=t)
    compare(merged, lambda name: define.slerp(array(models[0], name), array(models[1], name), t))


def test_slerp_of_models_that_are_almost_parallel() -> None:
    base, models = trained(1)
    near = {name: value + 1e-3 * (models[0][name] - value) for name, value in base.items()}
    merged = merge_state_dicts("slerp", models=[base, near], t=0.25)
    compare(merged, lambda name: define.slerp(array(base, name), array(near, name), 0.25))


@pytest.mark.parametrize("length", [1e-22, 1e22, 1e30])
def test_slerp_of_tensors_whose_squares_float32_does_not_hold(length: float) -> None:
    noise = torch.Generator().manual_seed(0)
    models = [{"w": length * torch.randn(1000, generator=noise)} for _ in range(2)]
    merged = merge_state_dicts("slerp", models=models, t=0.3)["w"].double() / length
    a, b = (model["w"].double() / length for model in models)
    omega = torch.acos(a @ b / (a.norm() * b.norm()))
    expected = ((0.7 * omega).sin() * a + (0.3 * omega).sin() * b) / omega.sin()
    torch.testing.assert_close(merged, expected, rtol=1e-5, atol=1e-6)


def test_slerp_of_zeros_is_linear() -> None:
    zeros, ones = {"w": torch.zeros(4)}, {"w": torch.ones(4)}
    merged = merge_state_dicts("slerp", models=[zeros, ones], t=0.25)
    assert merged["w"].tolist() == [0.25] * 4


def test_task_arithmetic() -> None:
    base, models = trained(3)
    weights = [1.0, -0.5, 0.25]
    merged = merge_state_dicts(
        "task_arithmetic", base=base, models=models, weights=weights, scale=0.7
    )
    compare(
        merged,
        lambda name: (
            array(base, name) + 0.7 * define.task_arithmetic(deltas_of(base, models, name), weights)
        ),
    )


@pytest.mark.parametrize("trim", ["model", "tensor"])
@pytest.mark.parametrize("normalise", [True, False])
def test_ties(trim: str, normalise: bool) -> None:
    base, models = trained(3)
    density, weights = [0.3, 0.5, 1.0], [1.0, 2.0, 0.5]
    options: dict[str, Any] = {"density": density, "weights": weights, "normalise": normalise}
    merged = merge_state_dicts("ties", base=base, models=models, trim=trim, scale=1.5, **options)

    def expected(name: str) -> Array:
        kept = []
        for index, delta in enumerate(deltas_of(base, models, name)):
            every = {n: deltas_of(base, models, n)[index] for n in SHAPES}
            whole = np.concatenate([np.abs(every[n]).reshape(-1) for n in SHAPES])
            magnitudes = whole if trim == "model" else np.abs(delta)
            kept.append(define.trimmed(delta, density[index], magnitudes))
        return array(base, name) + 1.5 * define.agreeing(kept, weights, mean=normalise)

    compare(merged, expected)


def masks(models: Sequence[Model], name: str, shares: Sequence[Array | float]) -> list[Array]:
    """Which elements are kept at random: the only part that needs our numbers."""
    found = identify([StateDict("", model) for model in models], [""] * len(models))
    tensors = [model[name] for model in models]
    return [
        kept(
            key_of(7, i.content, i.occurrence, name),
            0,
            tensor.numel(),
            share if isinstance(share, float) else torch.from_numpy(share.reshape(-1)),
        )
        .reshape(tensor.shape)
        .double()
        .numpy()
        for i, tensor, share in zip(found, tensors, shares, strict=True)
    ]


@pytest.mark.parametrize("rescale", [True, False])
def test_dare_linear(rescale: bool) -> None:
    base, models = trained(3)
    weights = [1.0, 0.5, -1.0]
    merged = merge_state_dicts(
        "dare_linear",
        base=base,
        models=models,
        density=0.4,
        weights=weights,
        rescale=rescale,
        seed=7,
    )

    def expected(name: str) -> Array:
        pairs = zip(deltas_of(base, models, name), masks(models, name, [0.4] * 3), strict=True)
        dropped = [delta * mask / (0.4 if rescale else 1) for delta, mask in pairs]
        return array(base, name) + define.task_arithmetic(dropped, weights)

    compare(merged, expected)


@pytest.mark.parametrize("normalise", [True, False])
def test_dare_ties(normalise: bool) -> None:
    base, models = trained(3)
    weights = [1.0, 0.5, 2.0]
    merged = merge_state_dicts(
        "dare_ties",
        base=base,
        models=models,
        density=0.6,
        weights=weights,
        normalise=normalise,
        seed=7,
    )

    def expected(name: str) -> Array:
        pairs = zip(deltas_of(base, models, name), masks(models, name, [0.6] * 3), strict=True)
        dropped = [delta * mask / 0.6 for delta, mask in pairs]
        return array(base, name) + define.agreeing(dropped, weights, mean=normalise)

    compare(merged, expected)


@pytest.mark.parametrize(("density", "outliers"), [(0.3, 0.1), (0.9, 0.1), (0.02, 0.0), (1.0, 0.5)])
def test_breadcrumbs(density: float, outliers: float) -> None:
    base, models = trained(3)
    weights = [1.0, 0.5, -1.0]
    merged = merge_state_dicts(
        "breadcrumbs",
        base=base,
        models=models,
        density=density,
        outliers=outliers,
        weights=weights,
        scale=0.3,
    )

    def expected(name: str) -> Array:
        crumbs = [
            define.crumbs(delta, density, outliers) for delta in deltas_of(base, models, name)
        ]
        return array(base, name) + 0.3 * define.task_arithmetic(crumbs, weights)

    compare(merged, expected)


@pytest.mark.parametrize("normalise", [True, False])
def test_breadcrumbs_ties(normalise: bool) -> None:
    base, models = trained(3)
    weights = [1.0, 2.0, 0.5]
    shares = {"density": 0.5, "outliers": 0.1}
    merged = merge_state_dicts(
        "breadcrumbs_ties",
        base=base,
        models=models,
        weights=weights,
        normalise=normalise,
        scale=0.3,
        **shares,
    )

    def expected(name: str) -> Array:
        crumbs = [define.crumbs(delta, **shares) for delta in deltas_of(base, models, name)]
        return array(base, name) + 0.3 * define.agreeing(crumbs, weights, mean=normalise)

    compare(merged, expected)


def far_apart(count: int) -> list[Model]:
    """Models whose tensors point in many directions."""
    return [random_model(seed) for seed in range(3, 3 + count)]


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.7, 0.3], [0.0, 2.0]])
def test_nuslerp(weights: list[float]) -> None:
    models = far_apart(2)
    merged = merge_state_dicts("nuslerp", models=models, weights=weights)
    compare(merged, lambda name: define.nuslerp(*(array(model, name) for model in models), weights))


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.7, -0.3, 0.4]])
@pytest.mark.parametrize("near", [True, False])
def test_multislerp(weights: list[float], near: bool) -> None:
    models = trained(3)[1] if near else far_apart(3)
    merged = merge_state_dicts("multislerp", models=models, weights=weights)
    compare(
        merged, lambda name: define.multislerp([array(model, name) for model in models], weights)
    )


def test_arcs_between_task_vectors() -> None:
    base, models = trained(3)
    weights, start = [0.7, 0.3, 0.4], {"base": base, "scale": 0.5}
    merged = merge_state_dicts("multislerp", models=models, weights=weights, **start)
    compare(
        merged,
        lambda name: (
            array(base, name) + 0.5 * define.multislerp(deltas_of(base, models, name), weights)
        ),
    )
    merged = merge_state_dicts("nuslerp", models=models[:2], weights=weights[:2], **start)
    compare(
        merged,
        lambda name: (
            array(base, name)
            + 0.5 * define.nuslerp(*deltas_of(base, models[:2], name), weights[:2])
        ),
    )


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.7, 0.0, 0.4]])
@pytest.mark.parametrize("near", [True, False])
def test_karcher(weights: list[float], near: bool) -> None:
    models = trained(3)[1] if near else far_apart(3)
    merged = merge_state_dicts("karcher", models=models, weights=weights, tolerance=1e-9)
    compare(merged, lambda name: define.karcher([array(model, name) for model in models], weights))


def test_karcher_of_two_models_is_halfway_along_the_arc() -> None:
    angle = torch.tensor(2.0)
    models = [{"w": torch.tensor([3.0, 0.0])}, {"w": torch.stack([angle.cos(), angle.sin()])}]
    merged = merge_state_dicts("karcher", models=models)["w"]
    expected = 2 * torch.stack([(angle / 2).cos(), (angle / 2).sin()])
    torch.testing.assert_close(merged, expected)


@pytest.mark.parametrize("method", ["nuslerp", "multislerp", "karcher"])
def test_directions_that_cancel_or_are_missing_are_merged_linearly(method: str) -> None:
    one, zero = {"w": torch.tensor([3.0, 4.0])}, {"w": torch.zeros(2)}
    opposite = {"w": torch.tensor([-1.5, -2.0])}
    merged = merge_state_dicts(method, models=[one, opposite])["w"]
    torch.testing.assert_close(merged, torch.tensor([0.75, 1.0]))
    merged = merge_state_dicts(method, models=[one, zero])["w"]
    torch.testing.assert_close(merged, torch.tensor([1.5, 2.0]))
    merged = merge_state_dicts(method, models=[zero, zero])["w"]
    assert merged.tolist() == [0.0, 0.0]


def test_steps_that_do_not_suffice_are_an_error() -> None:
    models = far_apart(3)
    for method in ("karcher", "geometric_median"):
        with pytest.raises(InputError, match=r"step 1 still changes .* raise iterations"):
            merge_state_dicts(method, models=models, iterations=1, tolerance=1e-12)


def test_model_stock() -> None:
    base, models = trained(3)
    merged = merge_state_dicts("model_stock", base=base, models=models, scale=0.7)
    compare(
        merged,
        lambda name: array(base, name) + 0.7 * define.model_stock(deltas_of(base, models, name)),
    )


def test_model_stock_keeps_the_base_where_no_ratio_can_be_told() -> None:
    base = {"w": torch.zeros(2)}
    models = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([-2.0, 0.0])}]
    assert merge_state_dicts("model_stock", base=base, models=models)["w"].tolist() == [0.0, 0.0]
    models = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.zeros(2)}]
    assert merge_state_dicts("model_stock", base=base, models=models)["w"].tolist() == [0.0, 0.0]


def test_magmax() -> None:
    base, models = trained(3)
    merged = merge_state_dicts("magmax", base=base, models=models, scale=0.5)
    compare(
        merged, lambda name: array(base, name) + 0.5 * define.magmax(deltas_of(base, models, name))
    )


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("density", [0.001, 0.3, 1.0])
def test_sce(density: float, normalise: bool) -> None:
    base, models = trained(3)
    merged = merge_state_dicts(
        "sce", base=base, models=models, density=density, normalise=normalise
    )

    def expected(name: str) -> Array:
        deltas = deltas_of(base, models, name)
        return array(base, name) + define.sce(deltas, density, normalise=normalise)

    compare(merged, expected)


def test_arcee_fusion() -> None:
    base, (model,) = trained(1)
    merged = merge_state_dicts("arcee_fusion", base=base, models=[model], scale=0.5)
    compare(
        merged,
        lambda name: array(base, name) + 0.5 * define.fusion(array(base, name), array(model, name)),
    )


def test_nearswap() -> None:
    base, (model,) = trained(1)
    merged = merge_state_dicts("nearswap", base=base, models=[model], t=0.001)
    compare(
        merged,
        lambda name: (
            array(base, name) + define.nearswap(array(model, name) - array(base, name), 0.001)
        ),
    )


def test_the_median_of_three_towns() -> None:
    """Where an angle of the triangle is 120 degrees or more, it is the median."""
    towns = [[0.0, 0.0], [4.0, 0.1], [-4.0, 0.1]]
    models = [{"w": torch.tensor(town)} for town in towns]
    merged = merge_state_dicts("geometric_median", models=models)["w"]
    torch.testing.assert_close(merged, torch.zeros(2), atol=1e-5, rtol=0)
    third = 3**0.5 / 2
    models = [{"w": torch.tensor(town)} for town in ([1.0, 0.0], [-0.5, third], [-0.5, -third])]
    merged = merge_state_dicts("geometric_median", models=models)["w"]
    torch.testing.assert_close(merged, torch.zeros(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("weights", [[1.0] * 4, [0.5, 2.0, 0.0, 1.0]])
def test_geometric_median(weights: list[float]) -> None:
    _, models = trained(4)
    models[3] = {name: 3 * value for name, value in models[3].items()}  # an outlier
    merged = merge_state_dicts("geometric_median", models=models, weights=weights, tolerance=1e-9)
    flat = [np.concatenate([array(model, n).reshape(-1) for n in SHAPES]) for model in models]
    median = define.weiszfeld(flat, weights)
    parts = np.split(median, np.cumsum([models[0][name].numel() for name in SHAPES])[:-1])
    expected = dict(zip(SHAPES, parts, strict=True))
    compare(merged, lambda name: expected[name].reshape(SHAPES[name]))


DELLA = {"density": [0.3, 0.5, 1.0], "spread": [0.2, 0.0, 0.15], "weights": [1.0, 2.0, 0.5]}


def pruned(base: Model, models: Sequence[Model], name: str, rescale: bool) -> list[Array]:
    deltas = deltas_of(base, models, name)
    found = [
        define.chances(delta, density, spread)
        for delta, density, spread in zip(deltas, DELLA["density"], DELLA["spread"], strict=True)
    ]
    kept_of = masks(models, name, found)
    kept_of[2] = np.ones_like(kept_of[2])  # all is kept of the last model
    found[2] = np.ones_like(found[2])
    return [
        delta * mask / (chance if rescale else 1)
        for delta, mask, chance in zip(deltas, kept_of, found, strict=True)
    ]


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("rescale", [True, False])
def test_della(normalise: bool, rescale: bool) -> None:
    base, models = trained(3)
    switches = {"normalise": normalise, "rescale": rescale}
    merged = merge_state_dicts("della", base=base, models=models, seed=7, **DELLA, **switches)

    def expected(name: str) -> Array:
        values = pruned(base, models, name, rescale)
        return array(base, name) + define.agreeing(values, DELLA["weights"], mean=normalise)

    compare(merged, expected)


def test_della_linear() -> None:
    base, models = trained(3)
    merged = merge_state_dicts("della_linear", base=base, models=models, seed=7, scale=0.3, **DELLA)

    def expected(name: str) -> Array:
        values = pruned(base, models, name, True)
        return array(base, name) + 0.3 * define.task_arithmetic(values, DELLA["weights"])

    compare(merged, expected)


def test_half_precision_is_rounded_once() -> None:
    base, models = trained(3, dtype=torch.bfloat16)
    merged = merge_state_dicts("task_arithmetic", base=base, models=models, scale=0.3)
    for name, value in merged.items():
        assert value.dtype == torch.bfloat16
        deltas = deltas_of(base, models, name)
        exact = array(base, name) + 0.3 * define.task_arithmetic(deltas, [1.0] * 3)
        # Half of the distance between neighbours, and a little for float32 in between.
        np.testing.assert_allclose(value.double().numpy(), exact, rtol=2**-8 * 1.001)


def test_ties_keeps_the_base_where_signs_cancel() -> None:
    base = {"w": torch.tensor([1.0, 1.0])}
    models = [{"w": torch.tensor([1.5, 1.5])}, {"w": torch.tensor([0.5, 2.0])}]
    merged = merge_state_dicts("ties", base=base, models=models, density=1.0)
    assert merged["w"].tolist() == [1.0, 1.75]


def test_ties_keeps_all_values_equal_to_the_smallest_kept_one() -> None:
    base = {"w": torch.zeros(4)}
    model = {"w": torch.tensor([1.0, -1.0, 1.0, 0.5])}
    merged = merge_state_dicts("ties", base=base, models=[model], density=0.25)
    assert merged["w"].tolist() == [1.0, -1.0, 1.0, 0.0]
