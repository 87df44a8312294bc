"""The weights of a linear layer that come closest to those of several models on their inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.errors import InputError

__all__ = ["correction"]

SUMMED = 1e-3
"""What sums of many squares may be wrong by, as a share of the diagonal, in any precision."""


def correction(
    differences: Sequence[Tensor],
    gramians: Sequence[Tensor],
    weights: Sequence[float],
    *,
    shrink: float,
) -> Tensor:
    """What is to be added to some weights W so that the layer does best what the models do.

    It is sum_k w_k D_k G_k (sum_k w_k G_k)^-1, in float64, where D_k = W_k - W; in directions where
    no model has inputs it is 0. Everything is scaled so that the diagonal of the sum is 1: inputs
    of other sizes cost no precision. With ``shrink`` clearly below 1 the sum then is far from
    singular, whatever the data, and is solved by its Cholesky factor. Otherwise it is by its
    eigenvectors, without those whose eigenvalues cannot be told from 0 in the precision of the
    Gramians.

    Args:
        differences: D_k, ``[outputs, inputs]`` in float64; each is asked for once.
        gramians: G_k, ``[inputs, inputs]``; each is asked for once.
        weights: w_k, not negative and not all 0.
        shrink: factor of what is not on the diagonals of G_k.

    Raises:
        InputError: the sum of the Gramians is not positive semi-definite.
    """
    total, right, precision = None, None, 0.0
    for difference, gramian, weight in zip(differences, gramians, weights, strict=True):
        precision = max(precision, len(gramian) * torch.finfo(gramian.dtype).eps)
        scaled = _shrunk(gramian, shrink).mul_(weight)
        product = difference @ scaled
        right = product if right is None else right.add_(product)
        # The first one is kept for gradients.
        total = scaled.clone() if total is None else total.add_(scaled)
    assert total is not None
    assert right is not None
    diagonal = total.diagonal()
    if bool((diagonal < 0).any()):
        raise InputError("the Gramians have negative squares")
    scale = torch.where(diagonal > 0, diagonal, 1).rsqrt()
    total.mul_(scale).mul_(scale[:, None])
    right = right * scale
    by_cholesky = 1 - shrink > precision
    found = _by_cholesky(total, right) if by_cholesky else _by_eigenvectors(total, right, precision)
    return found * scale


def _shrunk(gramian: Tensor, shrink: float) -> Tensor:
    """A new matrix in float64 with the same diagonal and the rest multiplied."""
    found = gramian.to(torch.float64, copy=True).mul_(shrink)
    found.diagonal().copy_(gramian.diagonal())
    return found


def _by_cholesky(total: Tensor, right: Tensor) -> Tensor:
    """X with X total = right; total gets a 1 on the diagonal where it has a 0."""
    total.diagonal().clamp_min_(1)
    factor, failed = torch.linalg.cholesky_ex(total)
    if int(failed):
        raise InputError("the sum of the Gramians is not positive semi-definite")
    found: Tensor = torch.cholesky_solve(right.T, factor).T
    return found


def _by_eigenvectors(total: Tensor, right: Tensor, precision: float) -> Tensor:
    """The smallest X with X total = right, in directions that total has."""
    values, vectors = torch.linalg.eigh(total)
    if float(values.detach().min()) < -max(precision, SUMMED):
        raise InputError("the sum of the Gramians is not positive semi-definite")
    inverse = torch.where(values > precision, 1 / values.clamp_min(precision), 0.0)
    found: Tensor = (right @ vectors * inverse) @ vectors.T
    return found
