"""What holds for every solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.balance.solvers.families import (
    agreeing,
    conflicting,
    gradients,
    gramian,
    plain,
)
from torch import Tensor

from polytask.balance.solvers import cagrad, min_norm, nash, project

Solver = Callable[[Tensor], Tensor]


def upgrad(products: Tensor) -> Tensor:
    count = len(products)
    return project(products, torch.eye(count, dtype=torch.float64) / count).sum(0)


def dual_projection(products: Tensor) -> Tensor:
    return project(products, torch.full((1, len(products)), 1 / len(products)))[0]


SOLVERS: dict[str, tuple[Solver, float]] = {
    "min_norm": (min_norm, 0.0),
    "upgrad": (upgrad, 0.0),
    "dual_projection": (dual_projection, 0.0),
    "cagrad": (lambda products: cagrad(products, 0.4), 0.0),
    "nash": (nash, -1.0),
    "fair": (lambda products: nash(products, 0.5), -2 / 1.5),
}
"""Name -> solver, and the power of the gradients' scale that its weights go with."""

every_solver = pytest.mark.parametrize(("solver", "degree"), SOLVERS.values(), ids=SOLVERS.keys())


@every_solver
@given(rows=gradients(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_order_of_tasks_does_not_matter(
    solver: Solver, degree: float, rows: np.ndarray, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    one, other = solver(gramian(rows)).numpy(), solver(gramian(rows[order])).numpy()
    parts = max(one @ np.linalg.norm(rows, axis=1), np.finfo(float).tiny)
    assert one @ rows / parts == pytest.approx(other @ rows[order] / parts, abs=1e-6)


@every_solver
@pytest.mark.parametrize("family", [plain, agreeing, conflicting])
def test_the_order_of_tasks_does_not_matter_to_weights(
    solver: Solver, degree: float, family
) -> None:
    rows = family(np.random.default_rng(0), 9, 0.1) * np.logspace(-6, 6, 9)[:, None]
    order = np.random.default_rng(1).permutation(9)
    found = solver(gramian(rows)).numpy()[order]
    assert solver(gramian(rows[order])).numpy() == pytest.approx(found, rel=1e-7, abs=1e-30)


@every_solver
@pytest.mark.parametrize("scale", [1e-150, 1e-10, 1e-3, 1e3, 1e15, 1e140])
@pytest.mark.parametrize("family", [plain, conflicting])
def test_the_scale_does_not_matter(solver: Solver, degree: float, family, scale: float) -> None:
    rows = family(np.random.default_rng(0), 7, 0.1) * np.logspace(-3, 3, 7)[:, None]
    found, expected = solver(gramian(scale * rows)).numpy(), solver(gramian(rows)).numpy()
    assert found == pytest.approx(expected * scale**degree, rel=1e-9, abs=0)


@every_solver
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_gives_weights_that_are_not(
    solver: Solver, degree: float, value: float
) -> None:
    products = gramian(plain(np.random.default_rng(0), 4, 0))
    products[1, 2] = value
    found = solver(products)
    assert found.shape == (4,)
    assert found.isnan().all()


@every_solver
@given(rows=gradients())
@settings(max_examples=20, deadline=None)
def test_finite_and_of_one_kind(solver: Solver, degree: float, rows: np.ndarray) -> None:
    products = gramian(rows).requires_grad_()
    before = products.detach().clone()
    found = solver(products)
    assert found.isfinite().all()
    assert (found >= 0).all()
    assert found.dtype == torch.float64
    assert not found.requires_grad
    assert products.detach().equal(before)


@every_solver
@given(rows=gradients(least=2))
@settings(max_examples=20, deadline=None)
def test_products_in_float32_hurt_no_task_much(
    solver: Solver, degree: float, rows: np.ndarray
) -> None:
    """Then a Gramian has eigenvalues of about -1e-7, and cancels no more than about 1e-3."""
    short = torch.from_numpy(rows).float()
    found = solver((short @ short.T).double()).numpy()
    assert np.isfinite(found).all()
    lengths = np.linalg.norm(rows, axis=1)
    parts = found * lengths
    products = rows @ (found @ rows)
    if solver in (min_norm, upgrad, dual_projection):
        assert (products >= -5e-3 * lengths * parts.sum()).all()


@every_solver
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_no_matrix_raises(solver: Solver, degree: float, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((count, count)) * 10 ** rng.uniform(-3, 3, (count, 1))
    assert solver(torch.from_numpy(matrix + matrix.T)).isfinite().all()
