"""The gradients of each task where the shared parameters are cut into shards (FSDP2).

The shared part gathers its parameters and spreads its gradients by hooks of an ordinary backward
pass, after which ``.grad`` is the shard of the gradient, the mean over the processes. They wait for
each other, so every process has the same passes: of zeros for a task that it lacks.

Shapes: K tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from polytask.balance.engine.cut import is_sharded
from polytask.balance.engine.graph import Graph
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.sharded import ShardedGradients
from polytask.balance.engine.shards import Shards
from polytask.errors import InputError

__all__ = ["ShardedTaskGradients", "differentiate_sum", "tasks_of_all"]


class ShardedTaskGradients:
    """Collects gradients of one or several batches, as `TaskGradients` does.

    Args:
        tasks: ``[K]`` of the step, in the same order everywhere.
        groups: the shared parameters, in groups that are compared apart.
        own: the parameters of the tasks, cut or whole.
        shards: of the shared parameters.
        scale: factor of the losses, as of a gradient scaler.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        groups: Sequence[Sequence[Tensor]],
        own: Sequence[Tensor],
        *,
        shards: Shards,
        scale: float = 1.0,
    ) -> None:
        self.tasks, self.scale, self.pending = tuple(tasks), scale, Pending()
        self.groups = [
            ShardedGradients(group, len(self.tasks), scale=scale, shards=shards) for group in groups
        ]
        self._own, self._shards = list(own), shards

    def add(self, losses: Mapping[str, Tensor], *, retain_graph: bool = False) -> None:
        """Differentiate the losses of a batch, one after the other.

        Args:
            losses: task -> scalar, any subset of the tasks, but not none.
            retain_graph: as in autograd.

        Raises:
            InputError: a process has no loss, or lacks that of a task whose parameters may be cut.
        """
        tasks, lacking = tasks_of_all(losses, self.tasks, self._own, self._shards)
        nothing = self._nothing(losses, lacking) if lacking else None
        parameters = [*(group.parameters for group in self.groups), self._own]
        for index, name in enumerate(tasks):
            loss = losses[name] if nothing is None or name in losses else nothing
            task = self.tasks.index(name)
            keep = retain_graph or index < len(tasks) - 1
            factor = torch.full_like(loss, self.scale)
            *found, of_own = _backward([loss], [factor], parameters, retain_graph=keep)
            for group, gradients in zip(self.groups, found, strict=True):
                group.add(task, gradients)
            self.pending.add(self._own, of_own, task=task)

    def _nothing(self, losses: Mapping[str, Tensor], lacking: Sequence[str]) -> Tensor:
        """A loss of zero that goes through all shared parameters, as those of these tasks do.

        Raises:
            InputError: there is none, or one of them does not.
        """
        shapes = Counter(tuple(p.shape) for group in self.groups for p in group.parameters)
        own = {id(parameter) for parameter in self._own}
        through = [name for name, loss in losses.items() if shapes <= _shapes(loss, own)]
        here = [name for name in lacking if name in losses]
        partly = not through or not set(here) <= set(through)
        if self._shards.add_up(torch.tensor(float(partly))):
            raise InputError(
                f"balance: the loss of {lacking[0]!r} is absent on a process; under fully_shard "
                "that needs losses which go through all shared parameters: give one of 0 instead, "
                "computed by the same layers"
            )
        return losses[through[0]] * 0


def differentiate_sum(
    losses: Mapping[str, Tensor],
    tasks: Sequence[str],
    weights: Tensor,
    own: Sequence[Tensor],
    *,
    scale: float,
    retain_graph: bool,
) -> Pending:
    """One backward pass of the weighted sum of the losses, into ``.grad`` of the shared part.

    Args:
        losses: task -> scalar, the same tasks on every process.
        tasks: ``[K]`` of the step, in the same order everywhere.
        weights: ``[K]``
        own: the parameters of the tasks, cut or whole.
        scale: factor of the losses, as of a gradient scaler.
        retain_graph: as in autograd.

    Returns:
        The gradients of the tasks' parameters.
    """
    factors = [
        torch.full_like(loss, float(weights[tasks.index(name)]) * scale)
        for name, loss in losses.items()
    ]
    [found] = _backward([*losses.values()], factors, [own], retain_graph=retain_graph)
    pending = Pending()
    pending.add(own, found)
    return pending


def tasks_of_all(
    losses: Mapping[str, Tensor], tasks: Sequence[str], own: Sequence[Tensor], shards: Shards
) -> tuple[list[str], list[str]]:
    """The tasks that any process has a loss of in this batch, and those that some process lacks.

    Args:
        losses: task -> scalar, of this process.
        tasks: ``[K]`` of the step.
        own: the parameters of the tasks.
        shards: of the shared parameters.

    Raises:
        InputError: on all processes: one has no loss, or lacks that of a task whose parameters may
            be cut.
    """
    flags = [float(name in losses) for name in tasks]
    *there, without = shards.add_up(torch.tensor([*flags, float(not losses)])).tolist()
    if without:
        raise InputError("balance: under fully_shard every process needs a loss of each batch")
    found = {name: count for name, count in zip(tasks, there, strict=True) if count}
    lacking = [name for name, count in found.items() if count < shards.process_count]
    if lacking and is_sharded(own):
        raise InputError(
            f"balance: the loss of {lacking[0]!r} is absent on a process, which needs the "
            "parameters of every task to be whole; keep them out of fully_shard"
        )
    return [*found], lacking


def _shapes(loss: Tensor, own: Collection[int]) -> Counter[tuple[int, ...]]:
    """How many parameters of each shape a loss depends on, without those of tasks."""
    leaves = Graph([loss]).leaves(0)
    return Counter(tuple(leaf.shape) for leaf in leaves if id(leaf) not in own)


def _backward(
    losses: Sequence[Tensor],
    factors: Sequence[Tensor],
    groups: Sequence[Sequence[Tensor]],
    *,
    retain_graph: bool,
) -> list[list[Tensor | None]]:
    """The gradients of parameters in groups, whose ``.grad`` stays as it was."""
    parameters = [parameter for group in groups for parameter in group]
    before = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    try:
        torch.autograd.backward(losses, factors, retain_graph=retain_graph)
        return [[parameter.grad for parameter in group] for group in groups]
    finally:
        for parameter, gradient in zip(parameters, before, strict=True):
            parameter.grad = gradient
