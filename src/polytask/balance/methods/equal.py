"""Equal weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext

__all__ = ["Equal"]


@dataclass(kw_only=True, eq=False)
class Equal(LossWeighting):
    """The sum of the losses: every weight is 1."""

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        return torch.ones(len(losses), dtype=torch.float64)
