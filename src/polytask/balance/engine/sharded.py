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

__all__ = ["ShardedGradients", "differentiate_shards"]


class ShardedGradients:
    """The shards of the gradients of a group of parameters, a row per task.

    Args:
        parameters: of the group, cut into shards.
        count: K.
        scale: factor of the losses, as of a gradient scaler.
    """

    def __init__(self, parameters: Sequence[Tensor], count: int, *, scale: float) -> None:
        self.parameters, self.scale = list(parameters), scale
        self._local = [_local(parameter.detach()) for parameter in parameters]
        self._rows = torch.zeros(
            count,
            sum(part.numel() for part in self._local),
            dtype=row_dtype(self._local),
            device=self._local[0].device,
        )
        self._reached = [False] * len(self._local)

    def add(self, task: int, gradients: Sequence[Tensor | None]) -> None:
        """Keep the gradients of a task's loss; None where it does not depend on a parameter."""
        parts = views(self._rows[task], self._local)
        for place, (part, gradient) in enumerate(zip(parts, gradients, strict=True)):
            if gradient is not None:
                part.copy_(_local(gradient))
                self._reached[place] = True

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
        for parameter, part, reached in zip(self.parameters, parts, self._reached, strict=True):
            if reached:
                accumulate(parameter, _sharded(part, parameter))


def differentiate_shards(
    losses: Mapping[str, Tensor],
    tasks: Sequence[str],
    groups: Sequence[Sequence[Tensor]],
    own: Sequence[Tensor],
    *,
    scale: float = 1.0,
    retain_graph: bool = False,
) -> tuple[list[ShardedGradients], Pending]:
    """One backward pass per task: the gradients of each group, and those of tasks' parameters.

    The shared part takes the mean over the processes itself. Every process needs at least one loss:
    for a task that it lacks it runs a backward pass of zeros, because the others wait for it.

    Args:
        losses: task -> scalar, of this process.
        tasks: ``[K]`` of the step, in the same order everywhere.
        groups: the shared parameters, cut into shards, in groups that are compared apart.
        own: the parameters of the tasks, whole on every process.
        scale: factor of the losses, as of a gradient scaler.
        retain_graph: as in autograd.
    """
    places, pending = [ShardedGradients(g, len(tasks), scale=scale) for g in groups], Pending()
    nothing = next(iter(losses.values())) * 0
    for task, name in enumerate(tasks):
        loss, keep = losses.get(name, nothing), retain_graph or task < len(tasks) - 1
        *found, of_own = _backward(loss, [*groups, own], scale=scale, retain_graph=keep)
        for place, gradients in zip(places, found, strict=True):
            place.add(task, gradients)
        pending.add(own, of_own, task=task)
    return places, pending


def _backward(
    loss: Tensor, groups: Sequence[Sequence[Tensor]], *, scale: float, retain_graph: bool
) -> list[list[Tensor | None]]:
    """The gradients of parameters in groups; what is in ``.grad`` stays as it was."""
    parameters = [parameter for group in groups for parameter in group]
    before = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    loss.backward(  # type: ignore[no-untyped-call]
        torch.full_like(loss, scale), retain_graph=retain_graph
    )
    found = [[parameter.grad for parameter in group] for group in groups]
    for parameter, gradient in zip(parameters, before, strict=True):
        parameter.grad = gradient
    return found


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
