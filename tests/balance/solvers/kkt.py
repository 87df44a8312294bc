"""How far weights are from what they should solve, found from the gradients and not the Gramian.

Every residual is a cosine, or a share times a cosine: inner products of a gradient with the update
are divided by the length of both. An update shorter than `CANCELLED` times the parts that cancel
each other in it counts as that long: float32 gradients do not carry more.
"""

from __future__ import annotations

import numpy as np

CANCELLED = 1e-5
ROUNDING = float(np.finfo(np.float64).eps)


def of_projection(rows: np.ndarray, weights: np.ndarray, reference: np.ndarray) -> float:
    """``min_{v >= u} |sum_k v_k g_k|``: v >= u; no inner product < 0; one of both is equal to 0."""
    lengths, cosines, parts = _seen(rows, weights)
    added = _shares((weights - reference) * lengths, parts)
    lacking = max(0.0, float((reference - weights).max()))
    return max(lacking, -cosines.min(initial=0), (added * np.abs(cosines)).max(initial=0))


def of_min_norm(rows: np.ndarray, weights: np.ndarray) -> float:
    """``min |sum_k w_k g_k|`` over the simplex: ``<g_k, d> >= |d|^2``, equal where w_k > 0.

    A Gramian says ``|d|^2`` with an error of the rounding of its parts: that much is allowed.
    """
    lengths, cosines, parts = _seen(rows, weights)
    outside = float(max(abs(weights.sum() - 1), -weights.min()))
    if parts == 0:
        return outside
    length = np.linalg.norm(weights @ rows)
    size = max(length, CANCELLED * parts)
    inverse = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    slack = cosines - length**2 / size * inverse
    slack = np.sign(slack) * np.maximum(np.abs(slack) - ROUNDING * parts**2 / size * inverse, 0)
    tight = _shares(weights * lengths, parts) * np.abs(slack)
    return float(max(outside, -slack.min(), tight.max()))


def of_nash(
    rows: np.ndarray, weights: np.ndarray, power: float = 1.0, importance: np.ndarray | float = 1.0
) -> float:
    """``<g_k, d> = (p_k / a_k)^power``, for gradients that are not zero."""
    lengths, cosines, _ = _seen(rows, weights)
    wanted = (importance / weights) ** power / lengths / np.linalg.norm(weights @ rows)
    return float(np.abs(cosines - wanted).max())


def of_cagrad(rows: np.ndarray, weights: np.ndarray, c: float) -> tuple[float, float]:
    """``max_d min_k <g_k, d>`` with ``|d - g_0| <= c |g_0|``: of its conditions; of the radius."""
    count = len(rows)
    added, mean = weights - 1 / count, rows.mean(0)
    update = weights @ rows
    least = added @ (rows @ update) / added.sum()
    lengths = np.linalg.norm(rows, axis=1)
    slack = (rows @ update - least) / lengths / np.linalg.norm(update)
    parts = added * lengths
    tight = _shares(parts, parts.sum()) * np.abs(slack)
    radius = np.linalg.norm(added @ rows) / np.linalg.norm(mean) / c - 1
    return float(max(-added.min(), -slack.min(), tight.max())), float(abs(radius))


def apart(rows: np.ndarray, closest: float = 1e-4) -> bool:
    """Whether the sum of unit gradients shows that one step can help all tasks well."""
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    total = units.sum(0)
    return bool((units @ total).min() > closest * np.linalg.norm(total))


def _seen(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Lengths; cosines with the update, 0 for a zero gradient; the sum of the lengths of parts."""
    lengths = np.linalg.norm(rows, axis=1)
    update, parts = weights @ rows, float(weights @ lengths)
    size = max(float(np.linalg.norm(update)), CANCELLED * parts)
    products = rows @ update
    scales = lengths * size
    cosines = np.divide(products, scales, out=np.zeros_like(products), where=scales > 0)
    return lengths, cosines, parts


def _shares(values: np.ndarray, total: float) -> np.ndarray:
    return values / total if total > 0 else np.zeros_like(values)
