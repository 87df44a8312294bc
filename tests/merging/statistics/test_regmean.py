"""The regression mean, against its definition and what it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.merging.conftest import random_model, trained
from tests.merging.measured import of_state
from tests.merging.test_invariants import same
from tests.merging.test_matrix_methods import KEEP_NOTHING
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import Statistics, merge_state_dicts

Matrices = Sequence[Tensor]


def layers(count: int, rows: int, columns: int, samples: int) -> tuple[Matrices, Matrices]:
    """Weights, ``[rows, columns]``, and inputs of each, in float64."""
    generator = torch.Generator().manual_seed(count + rows + samples)
    inputs = torch.randn(count, samples, columns, generator=generator, dtype=torch.float64)
    inputs = inputs * torch.logspace(-2, 2, columns, dtype=torch.float64)  # of different sizes
    return list(torch.randn(count, rows, columns, generator=generator).double()), list(inputs)


def gramian(tensors: dict[str, Tensor], **options: Any) -> Statistics:
    return Statistics(kind="gramian", tensors=tensors, examples=1, **options)


def merged(weights: Matrices, gramians: Matrices, /, **options: Any) -> Tensor:
    return merge_state_dicts(
        "regmean",
        models=[{"w": value} for value in weights],
        statistics=[gramian({"w": value}) for value in gramians],
        **options,
    )["w"]


def definition(
    weights: Matrices, gramians: Matrices, shares: Sequence[float], shrink: float
) -> Any:
    """sum_k W_k G_k (sum_k G_k)^-1 in float64."""
    above, below = 0.0, 0.0
    for weight, matrix, share in zip(weights, gramians, shares, strict=True):
        matrix = share * matrix.double().numpy()
        matrix = shrink * matrix + (1 - shrink) * np.diag(np.diag(matrix))
        above, below = above + weight.double().numpy() @ matrix, below + matrix
    return above @ np.linalg.inv(below)


@pytest.mark.parametrize("shrink", [1.0, 0.9, 0.1])
@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (5, 3), (4, 4), (1, 6), (6, 1)])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_definition(shrink: float, rows: int, columns: int, count: int) -> None:
    weights, inputs = layers(count, rows, columns, 20)
    gramians = [x.T @ x / 20 for x in inputs]
    shares = [1.0, 0.3, 2.0, 0.0][:count]
    found = merged(weights, gramians, weights=shares, shrink=shrink)
    expected = definition(weights, gramians, shares, shrink)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8, atol=1e-8)


def test_it_is_nearest_to_what_the_models_do() -> None:
    """It is the least-squares solution over the inputs of all models."""
    weights, inputs = layers(3, 4, 6, 30)
    found = merged(weights, [x.T @ x for x in inputs], shrink=1.0)
    targets = torch.cat([x @ w.T for x, w in zip(inputs, weights, strict=True)])
    expected = torch.linalg.lstsq(torch.cat(list(inputs)), targets).solution.T
    torch.testing.assert_close(found, expected)


def test_the_mean_stays_where_no_model_has_inputs() -> None:
    """Input 2 is always 0, inputs 0 and 1 are always equal: their difference says nothing."""
    weights = [torch.tensor([[1.0, 3.0, 5.0]]), torch.tensor([[2.0, 2.0, 7.0]])]
    x = torch.tensor([1.0, 1.0, 0.0])
    for shrink in (1.0, 1 - 1e-9):
        found = merged(weights, [torch.outer(x, x)] * 2, shrink=shrink)
        torch.testing.assert_close(found, torch.tensor([[1.5, 2.5, 6.0]]))


def test_a_model_without_inputs_in_a_direction_has_no_say_there() -> None:
    weights = [torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 7.0]])]
    gramians = [torch.diag(torch.tensor([1.0, 0.0])), torch.diag(torch.tensor([3.0, 2.0]))]
    torch.testing.assert_close(merged(weights, gramians), torch.tensor([[1.75, 7.0]]))


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 6),
    samples=st.integers(0, 8),
    count=st.integers(1, 4),
    shrink=st.sampled_from([0.5, 0.9, 1.0]),
)
def test_equal_layers_stay_whatever_their_inputs(
    rows: int, columns: int, samples: int, count: int, shrink: float
) -> None:
    weights, inputs = layers(count, rows, columns, samples)
    gramians = [(x.T @ x).float() for x in inputs]
    assert torch.equal(merged([weights[0]] * count, gramians, shrink=shrink), weights[0])


@pytest.mark.parametrize("shrink", [0.9, 1.0])
def test_equal_inputs_give_the_mean(shrink: float) -> None:
    weights, inputs = layers(3, 4, 5, 2)  # less inputs than columns
    gramians = [(inputs[0].T @ inputs[0]).float()] * 3
    found = merged(weights, gramians, shrink=shrink)
    torch.testing.assert_close(found, torch.stack(list(weights)).mean(0), rtol=1e-4, atol=1e-4)


def test_what_has_no_gramian_is_averaged() -> None:
    _, models = trained(2)
    statistics = [of_state("gramian", model) for model in models]
    statistics = [gramian({"layers.1.weight": s.tensors["layers.1.weight"]}) for s in statistics]
    found = merge_state_dicts("regmean", models=models, statistics=statistics, weights=[1.0, 3.0])
    mean = merge_state_dicts("linear", models=models, weights=[1.0, 3.0])
    for name, value in found.items():
        assert torch.allclose(value, mean[name], atol=1e-7) == (name != "layers.1.weight")


@pytest.mark.parametrize("shape", [(4, 4), (3, 5)])
def test_weights_of_inputs_times_outputs(shape: tuple[int, int]) -> None:
    """What Conv1D of the transformers library has is the transposed weight."""
    weights, inputs = layers(2, *shape, 9)
    gramians = [x.T @ x for x in inputs]
    found = merge_state_dicts(
        "regmean",
        models=[{"w": value.T} for value in weights],
        statistics=[gramian({"w": g}, transposed=frozenset({"w"})) for g in gramians],
    )["w"]
    torch.testing.assert_close(found, merged(weights, gramians).T)


def test_gradients() -> None:
    weights, inputs = layers(2, 2, 3, 7)
    gramians = [x.T @ x for x in inputs]
    for shrink in (0.9, 1.0):
        assert torch.autograd.gradcheck(
            lambda *w, shrink=shrink: merged(w, gramians, shrink=shrink),
            [weight.requires_grad_() for weight in weights],
        )


def test_equal_models_of_other_inputs_have_no_order() -> None:
    _, [first, other] = trained(2)
    models = [first, {name: value.clone() for name, value in first.items()}, other]
    statistics = [of_state("gramian", random_model(seed)) for seed in (7, 8, 9)]
    results = [
        merge_state_dicts(
            "regmean",
            models=[models[index] for index in order],
            statistics=[statistics[index] for index in order],
        )
        for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0))
    ]
    assert all(same(result, results[0]) for result in results[1:])


@pytest.mark.parametrize(
    ("gramians", "options", "message"),
    [
        ([torch.eye(2), torch.eye(3)], {}, "'w': expected 2 x 2 .* found 3 x 3"),
        ([torch.eye(2), -torch.eye(2)], {"weights": [1.0, 2.0]}, "'w': .*negative squares"),
        ([torch.eye(2), torch.tensor([[1.0, 9], [9, 1]])], {}, "'w': .*not positive semi-definite"),
        ([torch.tensor([[1.0, 9], [9, 1]])] * 2, {"shrink": 1.0}, "'w': .*not positive semi-def"),
        ([torch.eye(2), torch.full((2, 2), float("nan"))], {}, r"statistics\[1\]: .*NaN"),
        ([torch.eye(2)] * 2, {"shrink": 0.0}, r"shrink: must be in \(0, 1\]"),
        ([torch.eye(2)] * 2, {"weights": 0.0}, "weights: are all 0 for tensor 'w'"),
    ],
)
def test_what_cannot_be_merged(gramians: Matrices, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        merged([torch.ones(3, 2), torch.zeros(3, 2)], gramians, **options)


def test_weights_must_be_stored_alike() -> None:
    turned = gramian({"w": torch.eye(2)}, transposed=frozenset({"w"}))
    with pytest.raises(InputError, match=r"statistics\[1\]: other weights are \[inputs, outputs\]"):
        merge_state_dicts(
            "regmean",
            models=[{"w": torch.ones(2, 2)}, {"w": torch.zeros(2, 2)}],
            statistics=[gramian({"w": torch.eye(2)}), turned],
        )


def test_gramians_of_other_tensors() -> None:
    models = [{"w": torch.ones(2, 2), "b": torch.ones(2)}] * 2
    with pytest.raises(InputError, match=r"statistics\[0\]: tensor 'b' is no matrix"):
        merge_state_dicts("regmean", models=models, statistics=[gramian({"b": torch.eye(2)})] * 2)
    with pytest.raises(InputError, match=r"statistics\[1\]: 1 tensors are missing: w"):
        merge_state_dicts(
            "regmean", models=models, statistics=[gramian({"w": torch.eye(2)}), gramian({})]
        )


def test_the_memory_is_a_few_times_the_matrix(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.merging.matrix_memory", tmp_path, "regmean"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OMP_NUM_THREADS": "1", **KEEP_NOTHING},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert 6 < json.loads(done.stdout)["regmean"] < 13  # the Gramian is small
