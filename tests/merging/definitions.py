"""What methods compute, written down plainly in float64 NumPy, one tensor at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def average(models: Sequence[Array]) -> Array:
    return np.mean(models, axis=0)


def linear(models: Sequence[Array], weights: Sequence[float], *, normalise: bool) -> Array:
    total = sum(w * m for w, m in zip(weights, models, strict=True))
    return total / sum(weights) if normalise else total


def slerp(a: Array, b: Array, t: float) -> Array:
    cosine = np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b))
    if abs(cosine) >= 0.9995:
        return (1 - t) * a + t * b
    omega = np.arccos(cosine)
    return (np.sin((1 - t) * omega) * a + np.sin(t * omega) * b) / np.sin(omega)


def task_arithmetic(deltas: Sequence[Array], weights: Sequence[float]) -> Array:
    return np.sum([w * d for w, d in zip(weights, deltas, strict=True)], axis=0)


def trimmed(delta: Array, density: float, magnitudes: Array) -> Array:
    """Of a change keep what is at least as large as the k-th largest of all magnitudes."""
    count = max(1, int(density * magnitudes.size))
    least = np.sort(magnitudes, axis=None)[::-1][count - 1]
    return np.where(np.abs(delta) >= least, delta, 0.0)


def agreeing(deltas: Sequence[Array], weights: Sequence[float], *, mean: bool) -> Array:
    result = np.zeros(deltas[0].shape)
    for index in np.ndindex(result.shape):
        values = [(w, d[index]) for w, d in zip(weights, deltas, strict=True)]
        total = sum(w * v for w, v in values)
        same = [(w, v) for w, v in values if v * total > 0]
        if same:
            result[index] = sum(w * v for w, v in same)
            result[index] /= sum(w for w, _ in same) if mean else 1
    return result


def crumbs(delta: Array, density: float, outliers: float) -> Array:
    """Leave out the largest, keep the next ones; with values that are all different."""
    order = np.argsort(-np.abs(delta), axis=None)
    count = max(1, int(density * delta.size))
    first = min(int(outliers * delta.size), delta.size - count)
    result = np.zeros(delta.size)
    kept = order[first : first + count]
    result[kept] = delta.reshape(-1)[kept]
    return result.reshape(delta.shape)
