"""BatchNorm statistics and integers: they are not weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from polytask.errors import InputError
from polytask.merging import merge_state_dicts, prepare_state_dicts

Model = dict[str, torch.Tensor]


def model(weight: float, mean: float, variance: float, count: int) -> Model:
    return {
        "norm.weight": torch.tensor([weight]),
        "norm.running_mean": torch.tensor([mean]),
        "norm.running_var": torch.tensor([variance]),
        "norm.num_batches_tracked": torch.tensor(count),
    }


BASE, ONE, TWO = model(1.0, 0.0, 2.0, 5), model(2.0, 1.0, 1.0, 7), model(4.0, 3.0, 0.0, 7)


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("task_arithmetic", {}, (5.0, 2.0, 0.5, 5)),
        ("task_arithmetic", {"scale": 3.0}, (13.0, 2.0, 0.5, 5)),  # the mean of the models at most
        ("task_arithmetic", {"scale": 0.5}, (3.0, 1.0, 1.25, 5)),
        ("task_arithmetic", {"scale": -1.0}, (-3.0, 0.0, 2.0, 5)),
        ("ties", {"density": 0.01}, (3.0, 2.0, 0.5, 5)),
        ("average", {}, (3.0, 2.0, 0.5, 7)),
        ("linear", {"weights": [3.0, 1.0]}, (2.5, 1.5, 0.75, 7)),
        ("slerp", {"t": 1.0}, (4.0, 3.0, 0.0, 7)),
    ],
)
def test_by_hand(method: str, options: dict[str, Any], expected: tuple[float, ...]) -> None:
    base = BASE if method in ("task_arithmetic", "ties") else None
    merged = merge_state_dicts(method, base=base, models=[ONE, TWO], **options)
    assert tuple(float(value) for value in merged.values()) == pytest.approx(expected)
    assert merged["norm.num_batches_tracked"].dtype == torch.int64


@pytest.mark.parametrize("scale", [-1.0, 0.0, 0.5, 2.0, torch.tensor(2.0), torch.tensor(-0.5)])
def test_a_prepared_direction_does_the_same(scale: float | torch.Tensor) -> None:
    prepared = prepare_state_dicts("task_arithmetic", base=BASE, models=[ONE, TWO]).apply(scale)
    merged = merge_state_dicts("task_arithmetic", base=BASE, models=[ONE, TWO], scale=float(scale))
    for name, value in merged.items():
        torch.testing.assert_close(prepared[name], value)


def test_a_negative_variance_is_refused() -> None:
    with pytest.raises(InputError, match=r"'norm.running_var': a merged variance is negative"):
        merge_state_dicts("linear", models=[TWO, ONE], weights=[2.0, -1.0])
    far = {**ONE, "norm.running_var": torch.tensor([-3.0])}  # a change that is more than there is
    with pytest.raises(InputError, match=r"'norm.running_var': a merged variance is negative"):
        merge_state_dicts("task_arithmetic", base=BASE, models=[far])


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("task_arithmetic", {"weights": [0.0, 1.0]}, (3.0, 0.0)),
        ("task_arithmetic", {"weights": [1.0, -1.0]}, (1.0, 1.0)),
        ("task_arithmetic", {"weights": [-1.0, 0.0]}, (0.0, 2.0)),  # those of the base
        ("ties", {"weights": [3.0, 1.0], "density": 1.0}, (1.5, 0.75)),
    ],
)
def test_models_count_by_their_weights(
    method: str, options: dict[str, Any], expected: tuple[float, float]
) -> None:
    merged = merge_state_dicts(method, base=BASE, models=[ONE, TWO], **options)
    found = merged["norm.running_mean"], merged["norm.running_var"]
    assert tuple(map(float, found)) == pytest.approx(expected)


def test_nuslerp_of_one_model_has_its_statistics() -> None:
    merged = merge_state_dicts("nuslerp", models=[ONE, TWO], weights=[0.0, 1.0])
    assert float(merged["norm.running_mean"]) == 3.0


def test_tied_tensors_stay_tied_and_count_once() -> None:
    def tied(seed: int) -> Model:
        shared = torch.randn(40, generator=torch.Generator().manual_seed(seed))
        return {"embed": shared, "other": torch.full((10,), float(seed)), "head": shared}

    base, *models = (tied(seed) for seed in range(3))
    alone = [{name: m[name] for name in ("embed", "other")} for m in (base, *models)]
    for method in ("ties", "dare_linear"):
        merged = merge_state_dicts(method, base=base, models=models, density=0.3)
        assert merged["head"] is merged["embed"]
        assert set(merged) == set(base)
        expected = merge_state_dicts(method, base=alone[0], models=alone[1:], density=0.3)
        assert torch.equal(merged["head"], expected["embed"])
        assert torch.equal(merged["other"], expected["other"])
    moved = prepare_state_dicts("ties", base=base, models=models, density=0.3).apply(1.0)
    assert moved["head"] is moved["embed"]


def test_names_that_share_a_tensor_in_one_model_alone_are_merged_apart() -> None:
    shared = torch.ones(3)
    merged = merge_state_dicts(
        "average",
        models=[{"a": shared, "b": shared}, {"a": torch.zeros(3), "b": 3 * torch.ones(3)}],
    )
    assert merged["a"].tolist() == [0.5] * 3
    assert merged["b"].tolist() == [2.0] * 3
