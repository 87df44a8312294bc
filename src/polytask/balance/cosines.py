"""A Gramian as lengths and cosines, which keeps short gradients visible beside long ones.

Shapes: K tasks, R rank of their gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.balance.task_values import reciprocal

__all__ = ["equal_projections", "normalised", "root"]

PRECISION = torch.finfo(torch.float32).eps
"""Of gradients: eigenvalues of the cosines below K times this are rounding, not directions."""
NOTHING = 1e-12
"""Of a vector: a part shorter than this is rounding of float64."""


def normalised(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths ``[K]`` of the gradients and their cosines ``[K, K]``; 0 where a gradient is zero."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    inverse = reciprocal(norms)
    cosines = (gramian * inverse * inverse[:, None]).clamp(-1, 1)
    return norms, cosines.fill_diagonal_(1.0) * (norms > 0)


def equal_projections(gramian: Tensor, lengths: Tensor) -> Tensor:
    """``[K]`` weights whose update has the given projections onto the directions of the gradients.

    The shortest such update; where none exists, the one that misses them least. A gradient that is
    zero gets weight 0.

    Args:
        gramian: ``[K, K]``.
        lengths: ``[K]`` of the projections.
    """
    norms, cosines = normalised(gramian)
    values, vectors = torch.linalg.eigh(cosines)
    parts = vectors.T @ lengths
    kept = (values > len(gramian) * PRECISION) & (parts.abs() > NOTHING * lengths.norm())
    found: Tensor = vectors @ torch.where(kept, parts / values, 0.0) * reciprocal(norms)
    return found


def root(gramian: Tensor) -> Tensor:
    """``[R, K]`` short vectors with the inner products of the gradients, as columns."""
    norms, cosines = normalised(gramian)
    values, vectors = torch.linalg.eigh(cosines)
    kept = values > len(gramian) * PRECISION
    found: Tensor = values[kept, None].sqrt() * vectors[:, kept].T * norms
    return found
