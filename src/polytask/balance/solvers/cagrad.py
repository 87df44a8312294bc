"""The update of CAGrad: near the mean gradient, best for the task that it helps least."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from polytask.balance.solvers.directions import Directions, as_numpy, directions, tensor_like
from polytask.balance.solvers.shortest import Shortest
from polytask.balance.solvers.stationarity import kept_apart

__all__ = ["cagrad"]


@torch.no_grad()
def cagrad(gramian: Tensor, c: float, shares: Tensor | None = None) -> Tensor:
    """Weights of the d that maximises ``min_k <g_k, d>`` with ``|d - g_0| <= c |g_0|``.

    ``g_0 = sum_k shares_k g_k``. The solution is ``d = g_0 + c |g_0| g_w / |g_w|``, where
    ``g_w = sum_k w_k g_k`` and w minimises ``<g_w, g_0> + c |g_0| |g_w|`` over the simplex: found
    exactly. The weights of d are returned and not w, because ``g_w / |g_w|`` cannot be computed
    from w where g_w is short. As ``|g_w|`` goes to 0, which needs opposite gradients, the second
    part of d stays finite and fades (see `stationarity`). A zero gradient, for which no d is
    better or worse, is left out of the minimum.

    Source: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", 2021.

    Args:
        gramian: ``[K, K]`` inner products of the gradients, float64.
        c: radius relative to the length of the mean gradient, not negative.
        shares: ``[K]`` of the tasks in the mean; equal by default.

    Returns:
        ``[K]`` weights, float64; NaN if the Gramian is not finite.
    """
    seen = directions(gramian)
    if seen is None:
        return torch.full_like(gramian[0], torch.nan)
    weights = np.full(len(gramian), 1 / len(gramian)) if shares is None else as_numpy(shares).copy()
    if seen.active.any():
        weights += seen.weights(_added(seen, weights[seen.active] * seen.lengths, c))
    return tensor_like(gramian, weights)


def _added(seen: Directions, mean: np.ndarray, c: float) -> np.ndarray:
    """``[A]`` what d has more of each unit gradient than the mean gradient has."""
    linear = seen.cosines @ mean
    radius = c * float(np.sqrt(max(mean @ linear, 0.0)))
    if not radius:
        return np.zeros(len(mean))
    cosines = kept_apart(seen.cosines)
    x = Shortest(cosines, seen.lengths.min() / seen.lengths, linear, radius).solve()
    return x * (radius / float(np.sqrt(x @ cosines @ x)))
