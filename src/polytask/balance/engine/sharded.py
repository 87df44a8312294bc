"""Gradients of shared parameters that are cut into shards over processes (FSDP2).

The shared part gathers its parameters and spreads its gradients by hooks of the backward pass, so
each task has an ordinary backward pass, after which this process holds its shard of the gradient.

Shapes: K tasks, P numbers of this process's shards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from polytask.balance.engine.pending import Pending
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import accumulate, gramian_of, row_dtype, views

__all__ = ["ShardedGradients"]


class ShardedGradients:
    """One backward pass per task; the inner products of the shards are added up.

    The shared part takes the mean over the processes itself. Every process needs at least one loss:
    for a task that it lacks it runs a backward pass of zeros, because the others wait for it.

    Args:
        losses: task -> scalar, of this process.
        tasks: ``[K]`` of the step, in the same order everywhere.
        shared: the parameters, cut into shards.
        own: the parameters of the tasks, whole on every process.
        scale: factor of the losses, as of a gradient scaler.
        retain_graph: as in autograd.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor],
        tasks: Sequence[str],
        shared: Sequence[Tensor],
        own: Sequence[Tensor],
        *,
        scale: float = 1.0,
        retain_graph: bool = False,
    ) -> None:
        self.scale, self.pending = scale, Pending()
        self._shared, self._own = list(shared), list(own)
        self._local = [_local(parameter.detach()) for parameter in shared]
        self._rows = torch.zeros(
            len(tasks),
            sum(part.numel() for part in self._local),
            dtype=row_dtype(self._local),
            device=self._local[0].device,
        )
        self._reached = [False] * len(shared)
        nothing = next(iter(losses.values())) * 0
        for index, name in enumerate(tasks):
            keep = retain_graph or index < len(tasks) - 1
            self._differentiate(index, losses.get(name, nothing), retain_graph=keep)

    @property
    def rows(self) -> Tensor:
        """``[K, P]`` the shards of the gradients."""
        return self._rows

    def combine(self, processes: Processes) -> None:
        """Nothing: the shared part has combined its gradients."""

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products over all shards, float64 on the CPU."""
        return processes.add(gramian_of(self._rows)).cpu() / self.scale**2

    def apply(self, weights: Tensor) -> None:
        """Add the weighted sum of the gradients to ``.grad`` of the shards."""
        self.apply_update(weights.to(self._rows) @ self._rows)

    def apply_update(self, update: Tensor) -> None:
        """Add an update ``[P]`` to ``.grad`` of the shards."""
        parts = views(update, self._local)
        for parameter, part, reached in zip(self._shared, parts, self._reached, strict=True):
            if reached:
                accumulate(parameter, _sharded(part, parameter))

    def _differentiate(self, index: int, loss: Tensor, *, retain_graph: bool) -> None:
        parameters = [*self._shared, *self._own]
        before = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        loss.backward(  # type: ignore[no-untyped-call]
            torch.full_like(loss, self.scale), retain_graph=retain_graph
        )
        found = [parameter.grad for parameter in parameters]
        for parameter, gradient in zip(parameters, before, strict=True):
            parameter.grad = gradient
        parts = views(self._rows[index], self._local)
        for place, (part, gradient) in enumerate(zip(parts, found, strict=False)):
            if gradient is not None:
                part.copy_(_local(gradient))
                self._reached[place] = True
        self.pending.add(self._own, found[len(self._shared) :], task=index)


def _local(tensor: Tensor) -> Tensor:
    """This process's shard; the whole of a tensor that is not cut."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _sharded(part: Tensor, like: Tensor) -> Tensor:
    """A shard as a part of a tensor that is cut like another one."""
    if not isinstance(like, DTensor):
        return part
    return DTensor.from_local(
        part.to(like.dtype),
        like.device_mesh,
        like.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )
