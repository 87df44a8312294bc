"""Gradients that are hard for solvers: of lengths far apart, dependent, opposite, nearly equal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import strategies as st

Rows = np.ndarray
"""``[K, P]`` gradients of K tasks."""


def plain(rng: np.random.Generator, count: int, _: float) -> Rows:
    return rng.standard_normal((count, 2 * count + 5))


def agreeing(rng: np.random.Generator, count: int, _: float) -> Rows:
    return plain(rng, count, 0) + 3 * rng.standard_normal(2 * count + 5)


def conflicting(rng: np.random.Generator, count: int, small: float) -> Rows:
    """Their mean is nearly 0."""
    rows = plain(rng, count, 0)
    return rows - (1 - small) * rows.mean(0)


def few_directions(rng: np.random.Generator, count: int, _: float) -> Rows:
    return rng.standard_normal((count, max(1, count // 3))) @ plain(rng, max(1, count // 3), 0)


def half_space(rng: np.random.Generator, count: int, small: float) -> Rows:
    """Few directions, and one that helps all tasks a little."""
    rows = rng.standard_normal((count, 2 + count // 3))
    rows[:, 0] = np.abs(rows[:, 0]) * max(small, 1e-3)
    return rows


def spectrum(rng: np.random.Generator, count: int, small: float) -> Rows:
    """Singular values from 1 to `small`."""
    basis, _ = np.linalg.qr(rng.standard_normal((count, count)))
    return basis * np.geomspace(1, small, count)


def duplicates(rng: np.random.Generator, count: int, _: float) -> Rows:
    rows = plain(rng, count, 0)
    return rows[rng.integers(0, count, count)]


def collinear(rng: np.random.Generator, count: int, _: float) -> Rows:
    return duplicates(rng, count, 0) * rng.choice([-1.0, 1.0], (count, 1))


def nearly_equal(rng: np.random.Generator, count: int, small: float) -> Rows:
    return duplicates(rng, count, 0) + small * plain(rng, count, 0)


def nearly_collinear(rng: np.random.Generator, count: int, small: float) -> Rows:
    return collinear(rng, count, 0) + small * plain(rng, count, 0)


def whole_numbers(rng: np.random.Generator, count: int, _: float) -> Rows:
    """Zero gradients, equal, opposite and orthogonal ones among them."""
    return rng.integers(-1, 2, (count, 3)).astype(float)


def one_zero(rng: np.random.Generator, count: int, _: float) -> Rows:
    rows = plain(rng, count, 0)
    rows[0] = 0
    return rows


FAMILIES: list[Callable[[np.random.Generator, int, float], Rows]] = [
    plain,
    agreeing,
    conflicting,
    few_directions,
    half_space,
    spectrum,
    duplicates,
    collinear,
    nearly_equal,
    nearly_collinear,
    whole_numbers,
    one_zero,
]


@st.composite
def gradients(draw: st.DrawFn, *, least: int = 1, most: int = 20) -> Rows:
    """Of any family; the lengths are from 1e-s to 1e s apart, s up to 6."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(least, most))
    small = 10.0 ** -draw(st.integers(1, 5))
    rows = draw(st.sampled_from(FAMILIES))(rng, count, small)
    spread = draw(st.sampled_from([0, 1, 3, 6]))
    return rows * 10 ** rng.uniform(-spread, spread, (count, 1))


def gramian(rows: Rows) -> torch.Tensor:
    return torch.from_numpy(rows @ rows.T)
