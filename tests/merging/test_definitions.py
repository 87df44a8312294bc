"""Every method against its definition in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.merging import definitions as define
from tests.merging.conftest import SHAPES, Model, trained
from tests.merging.definitions import Array

from polytask.merging import merge_state_dicts
from polytask.merging.identity import identify
from polytask.merging.random_numbers import kept, key_of
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


def masks(models: Sequence[Model], name: str, share: float) -> list[Array]:
    """Which elements DARE keeps: the only part that cannot be written down without our numbers."""
    found = identify([StateDict("", model) for model in models], [""] * len(models))
    size = models[0][name].numel()
    return [
        kept(key_of(7, i.content, i.occurrence, name), 0, size, share)
        .reshape(models[0][name].shape)
        .double()
        .numpy()
        for i in found
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
        pairs = zip(deltas_of(base, models, name), masks(models, name, 0.4), strict=True)
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
        pairs = zip(deltas_of(base, models, name), masks(models, name, 0.6), strict=True)
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
