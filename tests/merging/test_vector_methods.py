"""What the methods of vectors and ranks refuse, and what they are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.merging.conftest import random_model, trained

from polytask.errors import InputError
from polytask.merging import ByName, merge_state_dicts
from polytask.merging.engine import gramian, survey
from polytask.merging.engine.merger import Merger
from polytask.merging.methods.geometric_median import GeometricMedian
from polytask.merging.methods.ranks import _shares
from polytask.merging.sources.state_dict import StateDict

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "spread beyond 1": ("della", {"density": 0.9}, "density 0.9 and spread 0.15 reach beyond"),
    "spread beyond 0": ("della_linear", {"density": 0.1}, "reach beyond 0 or 1"),
    "spread": ("della", {"spread": -0.1}, r"spread: must be in \[0, 1\], got -0.1"),
    "negative": ("geometric_median", {"weights": -1.0}, "weights: must not be negative"),
    "by name": ("geometric_median", {"weights": ByName(((None, 1.0),))}, "the same for all"),
    "no weight": ("geometric_median", {"weights": 0.0}, "weights: are all 0"),
    "no weight on an arc": ("nuslerp", {"weights": 0.0}, "weights: are all 0 for tensor 'embed"),
    "no sum": ("multislerp", {"weights": [1.0, -1.0]}, "weights: add up to 0 for tensor 'embed"),
    "no sum but rounding": (
        "multislerp",
        {"weights": [0.1 + 0.2, -0.3]},
        "weights: add up to 0 for tensor 'embed",
    ),
    "nothing to divide by": (
        "linear",
        {"weights": [0.1 + 0.2, -0.3]},
        "weights: add up to 0 for tensor 'embed.*normalise=False",
    ),
    "tolerance": ("karcher", {"tolerance": 0.0}, "tolerance: must be above 0, got 0.0"),
    "iterations": ("karcher", {"iterations": 0}, "iterations: must be an integer of at least 1"),
    "half a step": ("geometric_median", {"iterations": 1.5}, "iterations: must be an integer"),
    "far": ("nearswap", {"t": 0.0}, "t: must be above 0, got 0.0"),
    "share": ("sce", {"density": 0.0}, r"density: must be in \(0, 1\], got 0.0"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_a_wrong_option(case: str) -> None:
    method, options, message = WRONG[case]
    base, models = trained(2)
    changes = method in ("della", "della_linear", "nearswap", "sce")
    with pytest.raises(InputError, match=message):
        merge_state_dicts(method, base=base if changes else None, models=models, **options)


@pytest.mark.parametrize(("method", "count"), [("model_stock", 1), ("magmax", 0), ("nearswap", 2)])
def test_a_wrong_number_of_models(method: str, count: int) -> None:
    base, models = trained(2)
    with pytest.raises(InputError, match=rf"takes .*, got {count}"):
        merge_state_dicts(method, base=base, models=models[:count])


def test_an_outlier_does_not_drag_the_median_away() -> None:
    _, models = trained(4)
    far = {name: 1000 * value for name, value in random_model(9).items()}
    median = merge_state_dicts("geometric_median", models=[*models, far])
    mean = merge_state_dicts("average", models=[*models, far])
    near = merge_state_dicts("average", models=models)
    name = "embed.weight"
    spread = float((models[0][name] - models[1][name]).norm())
    assert float((median[name] - near[name]).norm()) < spread
    assert float((mean[name] - near[name]).norm()) > 100 * spread


def test_della_keeps_large_changes_more_often_and_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    change = torch.randn(400, 500, generator=generator)
    base, models = {"w": torch.zeros(400, 500)}, [{"w": change}]
    options = {"density": 0.4, "spread": 0.3}
    merged = merge_state_dicts("della_linear", base=base, models=models, **options)["w"]
    kept = merged != 0
    order = change.abs().argsort(dim=1)
    shares = kept.gather(1, order).float().view(400, 5, 100).mean((0, 2))
    expected = torch.tensor([0.16, 0.28, 0.40, 0.52, 0.64])
    torch.testing.assert_close(shares, expected, atol=0.015, rtol=0)
    factors = (merged / change)[kept]  # one by the chance of each
    assert 1 / 0.7 <= float(factors.min()) < 1.45
    assert 8 < float(factors.max()) <= 1 / 0.1 + 1e-3
    assert abs(float((merged - change).mean())) < 5 * float((merged - change).std()) / 200_000**0.5


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 4), st.integers(1, 9)),
        elements=st.integers(0, 3),
    )
)
def test_ranks_with_ties(rows: np.ndarray[Any, Any]) -> None:
    found = _shares(rows)
    for row, column in np.ndindex(rows.shape):
        smaller = np.sum(rows[row] < rows[row, column])
        equal = np.sum(rows[row] == rows[row, column])
        expected = (smaller + equal / 2) / rows.shape[1]
        assert found[row, column] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("differences", [True, False])
@pytest.mark.parametrize("size", [1, 511, 512, 300_001])
def test_inner_products(differences: bool, size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    models = [{"w": torch.randn(size, generator=generator)} for _ in range(3)]
    sources = [StateDict(str(index), model) for index, model in enumerate(models)]
    merger = Merger(GeometricMedian(), base=None, models=sources, seed=0)
    [item] = merger.items
    population = survey.TensorPopulation(item.group, item.place, changes=False)
    found = gramian.gramian(population, differences=differences)
    values = np.stack([models[index]["w"].double().numpy() for index in item.place.order])
    values = values - values[0] if differences else values
    np.testing.assert_allclose(found.numpy(), values @ values.T, rtol=1e-6, atol=1e-6)


def test_a_tensor_that_no_model_changes_stays() -> None:
    base = {"w": torch.randn(4, 5, generator=torch.Generator().manual_seed(0))}
    copies = [{"w": base["w"].clone()} for _ in range(2)]
    for method in ("model_stock", "sce", "della", "magmax", "nuslerp", "multislerp"):
        merged = merge_state_dicts(method, base=base, models=copies)
        assert torch.equal(merged["w"], base["w"]), method
