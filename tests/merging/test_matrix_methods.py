"""Methods of whole matrices against their definitions, and by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.merging import matrix_definitions as define
from tests.merging.conftest import Model, trained
from tests.merging.definitions import Array
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import merge_state_dicts
from polytask.merging.methods.singular import leading, polar

DEFINITIONS: dict[str, Callable[[Sequence[Array]], Array]] = {
    "tsv_m": define.tsv_m,
    "iso_c": define.iso_c,
    "iso_cts": define.iso_cts,
}

SHAPES = [(24, 9), (9, 24), (12, 12), (1, 7), (7, 1), (2, 30)]


def family(shape: tuple[int, ...], count: int, dtype: torch.dtype) -> tuple[Model, list[Model]]:
    generator = torch.Generator().manual_seed(sum(shape) + count)
    values = torch.randn(count + 1, *shape, generator=generator, dtype=dtype)
    return {"w": values[0]}, [{"w": values[0] + 0.1 * value} for value in values[1:]]


def changes_of(base: Model, models: Sequence[Model]) -> list[Array]:
    return [(model["w"].double() - base["w"].double()).numpy() for model in models]


def orthogonal(count: int, rows: int, columns: int) -> list[Tensor]:
    """Matrices of one row and column space each, which no other one shares, and of rank 2."""
    left = torch.linalg.qr(torch.randn(rows, 2 * count, dtype=torch.float64)).Q
    right = torch.linalg.qr(torch.randn(columns, 2 * count, dtype=torch.float64)).Q
    values = torch.tensor([3.0, 1.0], dtype=torch.float64)
    pairs = zip(left.split(2, 1), right.split(2, 1), strict=True)
    return [(index + 1) * (u * values) @ v.T for index, (u, v) in enumerate(pairs)]


def merged_changes(method: str, changes: Sequence[Tensor], **options: Any) -> Tensor:
    base = {"w": torch.zeros_like(changes[0])}
    return merge_state_dicts(
        method, base=base, models=[{"w": change} for change in changes], **options
    )["w"]


@pytest.mark.parametrize("method", list(DEFINITIONS))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_definitions(method: str, shape: tuple[int, ...], count: int) -> None:
    base, models = family(shape, count, torch.float64)
    found = merge_state_dicts(method, base=base, models=models, scale=0.7)["w"]
    expected = base["w"].numpy() + 0.7 * DEFINITIONS[method](changes_of(base, models))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", list(DEFINITIONS))
@pytest.mark.parametrize("shape", [(200, 60), (60, 200), (100, 100)])
def test_float32_is_near_the_definition(method: str, shape: tuple[int, ...]) -> None:
    base, models = family(shape, 3, torch.float32)
    found = merge_state_dicts(method, base=base, models=models)["w"].double().numpy()
    change = DEFINITIONS[method](changes_of(base, models))
    error = np.linalg.norm(found - base["w"].double().numpy() - change) / np.linalg.norm(change)
    assert error < 1e-4


@pytest.mark.parametrize("method", list(DEFINITIONS))
def test_other_tensors_move_by_the_mean_of_the_changes(method: str) -> None:
    base, models = trained(3)
    merged = merge_state_dicts(method, base=base, models=models, scale=0.5)
    for name in ("layers.0.bias", "scale"):
        mean = torch.stack([model[name].double() - base[name].double() for model in models]).mean(0)
        expected = base[name].double() + 0.5 * mean
        torch.testing.assert_close(merged[name].double(), expected, rtol=1e-6, atol=1e-9)


def test_tsv_m_of_orthogonal_changes_is_their_sum() -> None:
    changes = orthogonal(3, 12, 6)
    torch.testing.assert_close(merged_changes("tsv_m", changes), sum(changes))


def test_tsv_m_of_one_model_is_that_model() -> None:
    base, [model] = family((12, 5), 1, torch.float64)
    found = merge_state_dicts("tsv_m", base=base, models=[model])["w"]
    torch.testing.assert_close(found, model["w"])


def test_tsv_m_counts_a_model_that_is_listed_twice_once() -> None:
    """Half of the singular values of each copy are kept: the vectors of both are the same."""
    base, [model] = family((12, 6), 1, torch.float64)
    found = merge_state_dicts("tsv_m", base=base, models=[model, dict(model)])["w"] - base["w"]
    u, s, v = leading(model["w"] - base["w"], 3)
    torch.testing.assert_close(found, (u * s) @ v)


def test_iso_c_has_equal_singular_values() -> None:
    base, models = family((20, 8), 4, torch.float64)
    found = merge_state_dicts("iso_c", base=base, models=models)["w"] - base["w"]
    total = torch.stack([model["w"] - base["w"] for model in models]).sum(0)
    mean = torch.linalg.svdvals(total).mean()
    torch.testing.assert_close(torch.linalg.svdvals(found), mean.expand(8))


def test_iso_c_leaves_alone_what_no_model_changes() -> None:
    found = merged_changes("iso_c", [torch.diag(torch.tensor([3.0, -1.0, 0.0]))])
    torch.testing.assert_close(found, torch.diag(torch.tensor([2.0, -2.0, 0.0])))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("count", [2, 4])
def test_iso_cts_with_other_shares(share: float, count: int) -> None:
    base, models = family((12, 9), count, torch.float64)
    found = merge_state_dicts("iso_cts", base=base, models=models, common=share)["w"]
    expected = define.iso_cts(changes_of(base, models), share)
    np.testing.assert_allclose((found - base["w"]).numpy(), expected, rtol=1e-9, atol=1e-11)


def test_iso_cts_where_all_is_common_is_iso_c() -> None:
    base, models = family((12, 9), 3, torch.float64)
    found = merge_state_dicts("iso_cts", base=base, models=models, common=1.0)["w"]
    torch.testing.assert_close(found, merge_state_dicts("iso_c", base=base, models=models)["w"])


def test_iso_cts_gives_every_model_its_own_directions() -> None:
    """Two models; all of the sum that is kept is the first one, which hides the second."""
    strong = torch.diag(torch.tensor([9.0, 7.0, 0.0, 0.0], dtype=torch.float64))
    weak = torch.diag(torch.tensor([0.0, 0.0, 2.0, 0.0], dtype=torch.float64))
    found = merged_changes("iso_cts", [strong, weak], common=0.5)
    expected = torch.diag(torch.tensor([6.0, 6.0, 6.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", [*DEFINITIONS, "wudi"])
@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (0, 4)])
def test_matrices_that_no_model_changes_stay(method: str, shape: tuple[int, ...]) -> None:
    base = {"w": torch.randn(shape, generator=torch.Generator().manual_seed(1))}
    merged = merge_state_dicts(method, base=base, models=[dict(base), {"w": base["w"].clone()}])
    assert torch.equal(merged["w"], base["w"])


@pytest.mark.parametrize("method", [*DEFINITIONS, "wudi"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(method: str, value: float) -> None:
    base, models = trained(2)
    models[1]["layers.0.weight"][3, 1] = value
    with pytest.raises(InputError, match=r"models\[1\].*'layers\.0\.weight'"):
        merge_state_dicts(method, base=base, models=models)


@pytest.mark.parametrize("method", list(DEFINITIONS))
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 5)])
def test_gradients_of_matrices(method: str, shape: tuple[int, ...]) -> None:
    base, models = family(shape, 2, torch.float64)
    values = [model["w"].clone().requires_grad_() for model in (base, *models)]

    def merged(start: Tensor, *others: Tensor) -> Tensor:
        given = [{"w": other} for other in others]
        return merge_state_dicts(method, base={"w": start}, models=given)["w"]

    assert torch.autograd.gradcheck(merged, values)


def test_gradients_where_there_are_none() -> None:
    zero = torch.zeros(4, 3, requires_grad=True)
    with pytest.raises(InputError, match=r"'w'.*no gradient"):
        merged_changes("iso_c", [zero])
    equal = torch.eye(4, 3).requires_grad_()
    with pytest.raises(InputError, match=r"'w'.*no gradient"):
        merged_changes("tsv_m", [equal, torch.ones(4, 3)])


def test_a_polar_factor_is_nearest_and_its_gradient_needs_no_gaps() -> None:
    matrix = torch.eye(4, 3, dtype=torch.float64).requires_grad_()  # equal singular values
    factor, values = polar(2 * matrix)
    torch.testing.assert_close(factor, matrix)
    assert values.tolist() == [2.0] * 3
    assert torch.autograd.gradcheck(lambda value: polar(value).factor, [matrix])


def wudi_by_autograd(changes: Sequence[Tensor], steps: int, rate: float) -> Tensor:
    """The loss as the paper writes it, with PyTorch's gradient and optimiser."""
    merged = torch.stack(list(changes)).sum(0).requires_grad_()
    optimiser = torch.optim.Adam([merged], lr=rate)
    for _ in range(steps):
        losses = [((merged - c) @ c.T).square().sum() / c.square().sum() for c in changes]
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
    return merged.detach()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 5)])
@pytest.mark.parametrize("count", [2, 4])
def test_wudi(shape: tuple[int, ...], count: int) -> None:
    base, models = family(shape, count, torch.float64)
    found = merge_state_dicts("wudi", base=base, models=models, steps=50, rate=1e-3)["w"]
    changes = [model["w"] - base["w"] for model in models]
    expected = wudi_by_autograd(changes, steps=50, rate=1e-3)
    torch.testing.assert_close(found - base["w"], expected, rtol=1e-6, atol=1e-9)


def test_wudi_ends_the_interference() -> None:
    """After many steps the gradient of the loss is 0: tau S = C."""
    changes = [torch.randn(5, 3, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    found = merged_changes("wudi", changes, steps=3000, rate=1e-2)
    inner = [c.T @ c / c.square().sum() for c in changes]
    target = sum(c @ i for c, i in zip(changes, inner, strict=True))
    torch.testing.assert_close(found @ sum(inner), target, rtol=1e-3, atol=1e-3)


def test_wudi_of_changes_that_do_not_meet_is_their_sum() -> None:
    changes = [torch.zeros(4, 4, dtype=torch.float64) for _ in range(2)]
    changes[0][0, :2], changes[1][1, 2:] = 1.0, torch.tensor([2.0, -1.0])
    merged = merged_changes("wudi", changes, rate=1e-2)
    # Adam makes steps of what rounding leaves of a gradient of 0, on some processors.
    torch.testing.assert_close(merged, sum(changes), rtol=0, atol=1e-3)


def test_wudi_leaves_all_but_linear_layers_alone() -> None:
    base, models = trained(2)
    merged = merge_state_dicts("wudi", base=base, models=models)
    same = {name for name in base if torch.equal(merged[name], base[name])}
    assert same == {"embed.weight", "layers.0.bias", "layers.1.bias", "scale"}


@pytest.mark.parametrize("options", [{"steps": -1}, {"steps": 1.5}, {"rate": 0}, {"rate": "fast"}])
def test_wudi_refuses(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        merged_changes("wudi", [torch.ones(2, 2)], **options)


@pytest.mark.parametrize("method", [*DEFINITIONS, "wudi"])
def test_the_bits_do_not_depend_on_threads(method: str) -> None:
    base, models = family((300, 200), 3, torch.float32)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            options = {"steps": 3} if method == "wudi" else {}
            results.append(merge_state_dicts(method, base=base, models=models, **options)["w"])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


KEEP_NOTHING = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
"""The C library gives memory back as soon as it is free, so that only what is in use counts."""


def test_the_memory_is_a_few_times_the_matrix(tmp_path: Path) -> None:
    methods = list(DEFINITIONS)
    result = subprocess.run(
        [sys.executable, "-m", "tests.merging.matrix_memory", tmp_path, *methods],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1", **KEEP_NOTHING},
        stdout=subprocess.PIPE,
        check=True,
    )
    times = json.loads(result.stdout)
    assert set(times) == set(methods)
    assert {method: factor for method, factor in times.items() if not 2 < factor < 6} == {}
