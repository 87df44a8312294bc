"""Independent component alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.cosines import root
from polytask.errors import unknown

__all__ = ["AlignedMTL"]

Scale = Literal["min", "median", "rmse"]


@dataclass(kw_only=True, eq=False)
class AlignedMTL(GramianWeighting):
    """Makes the gradients orthogonal and equally long, as little as possible, then averages them.

    With the singular values S and the right singular vectors V of the matrix whose columns are the
    gradients, the weights are ``s V S^-1 V^T p``: p are the shares of the tasks and s is the length
    that all principal components get. Directions without any gradient are left out.

    Source: Senushkin et al., "Independent Component Alignment for Multi-Task Learning", 2023,
    algorithm 1. The authors' code adds the aligned gradients up where this is their mean.

    Args:
        scale: s is the smallest singular value (``min``), their lower median (``median``) or the
            root of their mean square (``rmse``). The paper has ``min``, the authors' code all.

    Raises:
        InputError: an unknown scale.
    """

    scale: Scale = "min"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale not in ("min", "median", "rmse"):
            raise unknown("scale", self.scale, ("min", "median", "rmse"), where="aligned_mtl")

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        shares, components = self.shares(losses), root(gramian)
        if not len(components):
            return shares
        _, values, vectors = torch.linalg.svd(components, full_matrices=False)
        found: Tensor = vectors.T @ (self._length(values) / values * (vectors @ shares))
        return found

    def _length(self, values: Tensor) -> Tensor:
        """s, of singular values ``[R]``."""
        if self.scale == "min":
            return values.min()
        return values.median() if self.scale == "median" else values.square().mean().sqrt()
