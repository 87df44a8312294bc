"""Gradients of a group of shared parameters that are cut into shards over processes (FSDP2).

Shapes: K tasks, P numbers of this process's shards.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import accumulate, gramian_of, row_dtype, views
from polytask.balance.engine.shards import Shards, local

__all__ = ["ShardedGradients"]


class ShardedGradients:
    """The shards of the gradients, a row per task.

    Args:
        parameters: of the group.
        count: K.
        scale: factor of the losses, as of a gradient scaler.
        shards: of all shared parameters.
    """

    def __init__(
        self, parameters: Sequence[Tensor], count: int, *, scale: float, shards: Shards
    ) -> None:
        self.parameters, self.scale, self._shards = list(parameters), scale, shards
        self._local = [local(parameter.detach()) for parameter in parameters]
        self._rows = torch.zeros(
            count,
            sum(part.numel() for part in self._local),
            dtype=row_dtype(self._local),
            device=self._local[0].device,
        )
        self._reached = [False] * len(self._local)

    def add(self, task: int, gradients: Sequence[Tensor | None]) -> None:
        """Add gradients of a task's loss; None where it does not depend on a parameter."""
        parts = views(self._rows[task], self._local)
        for place, (part, gradient) in enumerate(zip(parts, gradients, strict=True)):
            if gradient is not None:
                part.add_(local(gradient))
                self._reached[place] = True

    @property
    def rows(self) -> Tensor:
        """``[K, P]`` the shards of the gradients."""
        return self._rows

    def combine(self, processes: Processes) -> None:
        """Nothing: the shared part has combined its gradients."""

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products over all shards, float64 on the CPU."""
        return self._shards.total(gramian_of(self._rows)).cpu() / self.scale**2

    def apply(self, weights: Tensor) -> None:
        """Add the weighted sum of the gradients to ``.grad`` of the shards."""
        self.apply_update(weights.to(self._rows) @ self._rows)

    def apply_update(self, update: Tensor) -> None:
        """Add an update ``[P]`` to ``.grad`` of the shards."""
        parts = views(update, self._local)
        for parameter, part, reached in zip(self.parameters, parts, self._reached, strict=True):
            if reached:
                accumulate(parameter, _sharded(part, parameter))


def _sharded(part: Tensor, like: Tensor) -> Tensor:
    """A shard as a part of a tensor that is cut like another one."""
    assert isinstance(like, DTensor)
    return DTensor.from_local(
        part.to(like.dtype),
        like.device_mesh,
        like.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )
