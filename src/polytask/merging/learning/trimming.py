"""Task vectors that do not contradict each other."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.merging.learning.changes import Changes
from polytask.merging.learning.checks import check_number
from polytask.merging.methods.trim import at_least, count_of
from polytask.merging.settings import check_shares

__all__ = ["trim"]


def trim(changes: Changes, density: float) -> None:
    """Keep of each task vector what is large, and has the sign that most of it all has, in place.

    As TIES before it merges: the largest elements of a whole task vector; per element the sign of
    the sum of what is left. Where that is 0 nothing is kept.

    Source: Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", 2023.

    Args:
        changes: that are trimmed.
        density: share of the elements of each task vector that is kept, in (0, 1].

    Raises:
        InputError: the density is no number, or out of its range.
    """
    check_number("density", density)
    check_shares("density", density)
    least = [_threshold(changes, index, density) for index in range(len(changes.tasks))]
    for stacked in changes.stacked.values():
        kept = torch.stack([at_least(v, t) for v, t in zip(stacked, least, strict=True)])
        stacked.copy_(kept * (kept.sign() == kept.sum(0).sign()))


def _threshold(changes: Changes, index: int, density: float) -> float:
    """The least magnitude that one task vector keeps."""
    magnitudes: Tensor = torch.cat([v[index].abs().reshape(-1) for v in changes.stacked.values()])
    rank = len(magnitudes) - count_of(density, len(magnitudes)) + 1
    return float(magnitudes.kthvalue(rank).values)
