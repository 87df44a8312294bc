"""One step of balanced training: which tasks it has, and how their gradients become an update.

Shapes: K tasks of the step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from polytask.balance.balancer import (
    Balancer,
    GradientBalancer,
    GramianWeighting,
    all_finite,
)
from polytask.balance.context import TaskContext
from polytask.balance.engine.cut import check_kept, is_sharded
from polytask.balance.engine.gradients import TaskGradients
from polytask.balance.engine.groups import grouped
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.processes import Processes
from polytask.balance.result import Balanced
from polytask.errors import InputError

if TYPE_CHECKING:
    from polytask.balance.engine.sharded_tasks import ShardedTaskGradients
    from polytask.balance.engine.shards import Shards

__all__ = ["Step"]


class Step:
    """What all ways through a balanced step have in common.

    Args:
        tasks: ``[K]`` those that any process has a loss of, in the same order everywhere.
        shared: the shared parameters; those that are frozen are passed over.
        own: task -> its parameters, or None to find them in the graph.
        balancer: the method.
        groups: name -> shared parameters that are balanced apart, or None.
        processes: those that compute the step together.
        scale: factor of the losses, as of a gradient scaler.

    Raises:
        InputError: no task, no shared parameter that is trained, a scale that is not positive,
            groups that cannot be, or shared parameters that are cut into shards in a way that
            cannot be.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        shared: Iterable[Tensor],
        own: Mapping[str, Sequence[Tensor]] | None,
        *,
        balancer: Balancer,
        groups: Mapping[str, Iterable[Tensor]] | None,
        processes: Processes,
        scale: float,
    ) -> None:
        self.tasks, self.processes, self.scale = tuple(tasks), processes, scale
        self.shared = list({id(p): p for p in shared if p.requires_grad}.values())
        if not self.tasks:
            raise InputError("balance: there is no loss")
        if not scale > 0:
            raise InputError(f"balance: scale must be positive, got {scale}")
        if not self.shared:
            raise InputError("balance: there is no shared parameter that is trained")
        known = {id(p) for p in self.shared}
        listed = [p for found in (own or {}).values() for p in found if p.requires_grad]
        self.own = list({id(p): p for p in listed if id(p) not in known}.values())
        self.device = self.shared[0].device
        self.shards = _shards(self.tasks, self.shared, own, processes)
        """Of the shared parameters, where they are cut."""
        self.groups = grouped(self.shared, groups) if groups else {}
        self.balancer, self.balancers = balancer, [balancer]
        """The method, and one of its balancers for each group."""
        if self.groups and isinstance(balancer, GradientBalancer):
            self.balancers = [balancer.in_group(name) for name in self.groups]

    def values(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Task -> loss of all processes together, float64 on the CPU.

        Args:
            losses: task -> scalar, of this process; a task may be absent.
        """
        zero = torch.zeros((), device=self.device)
        found = torch.stack([losses.get(name, zero).detach().float() for name in self.tasks])
        whole = self.processes.combine(found).to("cpu", torch.float64)
        return dict(zip(self.tasks, whole.unbind(), strict=True))

    def gradients(
        self, *, factored: bool = True, lasting: bool = False
    ) -> TaskGradients | ShardedTaskGradients:
        """A place for exact gradients of the shared parameters.

        Args:
            factored: linear layers may be kept by their inputs and output gradients.
            lasting: batches may be overwritten before the gradients are used.
        """
        if self.shards is not None:
            from polytask.balance.engine.sharded_tasks import ShardedTaskGradients

            return ShardedTaskGradients(
                self.tasks, self.parts, self.own, shards=self.shards, scale=self.scale
            )
        by_gramian = isinstance(self.balancer, GramianWeighting) and self.processes.alone
        return TaskGradients(
            self.tasks,
            self.parts,
            self.shared,
            scale=self.scale,
            factored=factored and by_gramian,
            lasting=lasting,
        )

    def over_shards(self, values: Tensor) -> Tensor:
        """The sum of a function of gradients over all shards; as it is where nothing is cut."""
        return values if self.shards is None else self.shards.total(values)

    def has_finite_gradients(self) -> bool:
        """Whether ``.grad`` of the shared parameters is finite, on all processes."""
        found = [p.grad for p in self.shared if p.grad is not None]
        if self.shards is None:
            return all_finite(*(g.coalesce().values() if g.is_sparse else g for g in found))
        return self.shards.are_finite(found)

    def known_weights(
        self, values: Mapping[str, Tensor], context: Mapping[str, TaskContext]
    ) -> list[Tensor] | None:
        """The weights ``[K]`` of each group, if no gradients are needed before.

        None also where more backward passes of known weights would be due than of single tasks.
        """
        if self.needs_gradients(values):
            return None
        found = [balancer.known_weights(values, context) for balancer in self.balancers]
        passes = len({tuple(weights.tolist()) for weights in found})
        return found if passes <= len(self.tasks) else None

    @property
    def parts(self) -> list[list[Tensor]]:
        """The shared parameters of each group."""
        return list(self.groups.values()) or [self.shared]

    def needs_gradients(self, values: Mapping[str, Tensor]) -> bool:
        """Whether a balancer needs gradients before its weights."""
        return any(balancer.needs_gradients(values) for balancer in self.balancers)

    def weights(
        self,
        gramians: Sequence[Tensor],
        values: Mapping[str, Tensor],
        context: Mapping[str, TaskContext],
    ) -> list[Tensor]:
        """``[K]`` weights of each group; an overflow in one is one of the step."""
        if not (isinstance(self.balancer, GramianWeighting) and self.needs_gradients(values)):
            return [balancer.known_weights(values, context) for balancer in self.balancers]
        if not all_finite(*gramians):
            return [torch.full((len(values),), math.nan, dtype=torch.float64)] * len(gramians)
        pairs = zip(self.balancers, gramians, strict=True)
        return [cast("GramianWeighting", one).from_gramian(seen, values) for one, seen in pairs]

    def finish(
        self,
        pending: Pending,
        weights: Sequence[Tensor] | None,
        gramians: Sequence[Tensor] | None,
        found: Sequence[Tensor],
    ) -> Balanced:
        """Fill in what waits; the step counts if all that the balancers ``found`` is finite.

        Raises:
            InputError: shared parameters are not those that are trained.
        """
        check_kept([*(self.shared if self.shards is None else ()), *self.own])
        mean = None if weights is None else torch.stack(list(weights)).mean(0)
        shared = () if self.shards is not None else self.shared
        parameters = list({id(p): p for p in (*shared, *self.own)}.values())
        own = (balancer.own_weights(self.tasks, mean) for balancer in self.balancers)
        factors = [of_group for of_group in own if of_group is not None]
        together = torch.stack(factors).mean(0) if factors else None
        self.processes.accumulate(pending, together, parameters)
        if all_finite(*found) if self.shards is None else self.shards.are_finite(found):
            for balancer in {id(b): b for b in (self.balancer, *self.balancers)}.values():
                balancer.steps += 1
        whole = None if gramians is None else torch.stack(list(gramians)).sum(0)
        return Balanced(self.tasks, mean, whole, self._groups(weights, gramians))

    def _groups(
        self, weights: Sequence[Tensor] | None, gramians: Sequence[Tensor] | None
    ) -> dict[str, Balanced]:
        """What the step tells of each group."""
        nothing = [None] * len(self.groups)
        pairs = zip(weights or nothing, gramians or nothing, strict=False)
        found = [Balanced(self.tasks, *pair) for pair in pairs]
        return dict(zip(self.groups, found, strict=False))


def _shards(
    tasks: Sequence[str],
    shared: Sequence[Tensor],
    own: Mapping[str, Sequence[Tensor]] | None,
    processes: Processes,
) -> Shards | None:
    """How the shared parameters are cut; None if they are whole."""
    if not is_sharded(shared):
        found = [p for parameters in (own or {}).values() for p in parameters]
        if is_sharded(found):
            raise InputError(
                "balance: parameters of tasks are under fully_shard, but the shared part is not; "
                "cut that, too, or keep them out"
            )
        return None
    if own is None or not set(tasks) <= set(own):
        raise InputError(
            "balance: under fully_shard own must map every task to its parameters; an empty list "
            "if it has none"
        )
    from polytask.balance.engine.shards import Shards

    return Shards(shared, processes)
