"""The inner problems are solved exactly, whatever the lengths and angles of the gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polytask.balance.solvers import cagrad, min_norm, nash, project

KINDS = ("plain", "far apart", "equal", "dependent", "dependent, far apart", "opposite", "positive")


def gramian(kind: str, count: int, seed: int) -> Tensor:
    """``[K, K]`` of random gradients of a kind."""
    rng = np.random.default_rng(seed)
    width = max(2 * count, 5)
    rows = rng.normal(size=(count, width))
    if kind.startswith("dependent"):
        rank = max(1, count // 2)
        rows = rng.normal(size=(count, rank)) @ rng.normal(size=(rank, width))
    if kind.endswith("far apart"):
        rows *= 10 ** rng.uniform(-3, 3, (count, 1))
    if kind == "equal":
        rows[count - 1] = rows[0]
    if kind == "opposite" and count > 1:
        rows[1] = -2 * rows[0]
    if kind == "positive":
        rows = np.abs(rows)
    return torch.tensor(rows @ rows.T)


cases = st.tuples(st.sampled_from(KINDS), st.integers(1, 12), st.integers(0, 10**6))


def excess(products: Tensor, weights: Tensor, lengths: Tensor, length: Tensor) -> float:
    """How far inner products are from equal where there is weight, and from larger elsewhere."""
    share = weights * lengths
    relative = (products - weights @ products / weights.sum()) / (lengths * length)
    used = share > 1e-7 * share.max()
    return max(float(-relative.min()), float(relative[used].abs().max()))


@settings(deadline=None, max_examples=200)
@given(cases)
def test_the_shortest_combination(case: tuple[str, int, int]) -> None:
    found = gramian(*case)
    weights = min_norm(found)
    products, lengths = found @ weights, found.diagonal().sqrt()
    length = (weights @ products).clamp(min=0).sqrt()
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    if length > 1e-5 * lengths.min():
        assert excess(products, weights, lengths, length) < 1e-8


@settings(deadline=None, max_examples=200)
@given(cases)
def test_the_bargain(case: tuple[str, int, int]) -> None:
    found = gramian(*case)
    lengths = found.diagonal().sqrt()
    cosines = found / lengths.outer(lengths)
    weights, shares = nash(found), min_norm(cosines)
    assert torch.isfinite(weights).all()
    assert (weights > 0).all()
    if (shares @ cosines @ shares).clamp(min=0).sqrt() > 1e-4:  # not Pareto-stationary
        assert (found @ weights * weights - 1).abs().max() < 1e-8


@settings(deadline=None, max_examples=200)
@given(cases)
def test_the_projection_onto_the_dual_cone(case: tuple[str, int, int]) -> None:
    found = gramian(*case)
    references = torch.eye(len(found), dtype=torch.float64)
    lengths = found.diagonal().sqrt()
    for weights, reference in zip(project(found, references), references, strict=True):
        products = found @ weights
        length = (weights @ products).clamp(min=0).sqrt()
        scale = (reference * lengths).max()
        assert ((reference - weights) * lengths).max() <= 1e-12 * scale
        if length > 1e-5 * scale:
            slope = products / (lengths * length)
            assert slope.min() > -1e-8
            assert (
                (weights - reference) * lengths * slope
            ).abs().max() < 1e-8 * scale / length * scale


@settings(deadline=None, max_examples=200)
@given(cases, st.floats(0.05, 2))
def test_the_best_of_the_worst_within_a_radius(case: tuple[str, int, int], c: float) -> None:
    found = gramian(*case)
    count, lengths = len(found), found.diagonal().sqrt()
    mean = torch.full((count,), 1 / count, dtype=torch.float64)
    radius = c * (mean @ found @ mean).clamp(min=0).sqrt()
    added = cagrad(found, c) - mean
    size = (added @ found @ added).clamp(min=0).sqrt()
    assert size <= radius * (1 + 1e-8)
    if size > radius * (1 - 1e-6) and radius > 1e-6 * lengths.max():
        products = found @ (mean + added)
        shares = added.clamp(min=0)
        update = ((mean + added) @ products).clamp(min=0).sqrt()
        assert excess(products, shares, lengths, update.clamp(min=radius)) < 1e-6


SOLVERS = {
    "min_norm": min_norm,
    "nash": nash,
    "cagrad": lambda g: cagrad(g, 0.4),
    "project": lambda g: project(g, torch.eye(len(g), dtype=torch.float64)),
}


@pytest.mark.parametrize("name", SOLVERS)
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 8))
def test_the_order_of_the_tasks_does_not_matter(name: str, seed: int, count: int) -> None:
    found = gramian("plain", count, seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    direct, turned = SOLVERS[name](found), SOLVERS[name](found[order][:, order])
    expected = direct[order][:, order] if direct.ndim == 2 else direct[order]
    torch.testing.assert_close(turned, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1e6, 1e30])
def test_the_scale_does_not_matter(name: str, scale: float) -> None:
    found = gramian("far apart", 6, 3)
    direct, scaled = (
        SOLVERS[name](found),
        SOLVERS[name](found * scale**2 if scale > 1e-9 else found * scale),
    )
    factor = 1.0
    if name == "nash":
        factor = 1 / scale if scale > 1e-9 else scale**-0.5
    torch.testing.assert_close(scaled, direct * factor, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", SOLVERS)
def test_what_is_not_finite_stays_so(name: str) -> None:
    found = gramian("plain", 3, 0)
    found[0, 1] = torch.inf
    assert torch.isnan(SOLVERS[name](found)).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_zero_gradients(name: str) -> None:
    one, none = gramian("plain", 4, 1), torch.zeros(4, 4, dtype=torch.float64)
    one[0], one[:, 0] = 0, 0
    assert torch.isfinite(SOLVERS[name](one)).all()
    assert torch.isfinite(SOLVERS[name](none)).all()


def test_values_by_hand() -> None:
    orthogonal = torch.diag(torch.tensor([1.0, 4.0])).double()
    torch.testing.assert_close(min_norm(orthogonal), torch.tensor([0.8, 0.2]).double())
    torch.testing.assert_close(nash(orthogonal), torch.tensor([1.0, 0.5]).double())
    conflict = torch.tensor([[1.0, -0.5], [-0.5, 1.0]]).double()
    # Each gradient needs half of the other one to be orthogonal to it.
    expected = torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double()
    torch.testing.assert_close(project(conflict, torch.eye(2).double()), expected)
    torch.testing.assert_close(nash(conflict), torch.full((2,), 2**0.5).double())
    # Orthogonal and equally long: the mean, and a radius along it.
    torch.testing.assert_close(
        cagrad(torch.eye(2).double(), 0.4), torch.full((2,), 0.5 * 1.4).double()
    )
