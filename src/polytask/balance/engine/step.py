"""One step of balanced training: which tasks it has, and how their gradients become an update.

Shapes: K tasks of the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from polytask.balance.balancer import (
    Balancer,
    GradientAggregator,
    GramianWeighting,
)
from polytask.balance.context import TaskContext
from polytask.balance.engine.gradients import TaskGradients
from polytask.balance.engine.graph import Graph
from polytask.balance.engine.measured import Measured
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.processes import Processes, is_sharded
from polytask.balance.engine.weighted import each, of_sum
from polytask.balance.result import Balanced
from polytask.errors import InputError

__all__ = ["Step"]


class Step:
    """What all ways through a balanced step have in common.

    Args:
        tasks: ``[K]`` those that any process has a loss of, in the same order everywhere.
        shared: the shared parameters; those that are frozen are passed over.
        own: task -> its parameters, or None to find them in the graph.
        processes: those that compute the step together.
        scale: factor of the losses, as of a gradient scaler.

    Raises:
        InputError: no task, or no shared parameter that is trained.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        shared: Iterable[Tensor],
        own: Mapping[str, Iterable[Tensor]] | None,
        *,
        processes: Processes,
        scale: float,
    ) -> None:
        self.tasks, self.processes, self.scale = tuple(tasks), processes, scale
        self.shared = [p for p in shared if p.requires_grad]
        if not self.tasks:
            raise InputError("balance: there is no loss")
        if not self.shared:
            raise InputError("balance: there is no shared parameter that is trained")
        self.own = [p for found in (own or {}).values() for p in found if p.requires_grad]
        self.device = self.shared[0].device
        self.sharded = is_sharded(self.shared)

    def values(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Task -> loss of all processes together, float64 on the CPU.

        Args:
            losses: task -> scalar, of this process; a task may be absent.
        """
        zero = torch.zeros((), device=self.device)
        found = torch.stack([losses.get(name, zero).detach().float() for name in self.tasks])
        whole = self.processes.combine(found).to("cpu", torch.float64)
        return dict(zip(self.tasks, whole.unbind(), strict=True))

    def gradients(self, *, factored: bool = False) -> TaskGradients:
        """A place for exact gradients of the shared parameters."""
        return TaskGradients(
            self.tasks,
            self.shared,
            self.shared,
            scale=self.scale,
            factored=factored and self.processes.alone,
        )

    def weigh(
        self,
        losses: Mapping[str, Tensor],
        balancer: Balancer,
        weights: Tensor,
        *,
        retain_graph: bool,
    ) -> Balanced:
        """One backward pass with weights ``[K]`` that are known."""
        weights = self.processes.agree(weights, self.device)
        here = weights[[self.tasks.index(name) for name in losses]]
        pending, parameters = Pending(), list(self.shared)
        graph = Graph(list(losses.values()))
        if balancer.weighs_tasks:
            ids = {id(parameter) for parameter in parameters}
            parameters += [leaf for leaf in graph.all_leaves() if id(leaf) not in ids]
        else:
            for found in each(losses, graph, self.shared, scale=self.scale):
                pending.add(*found)
        pending.add(*of_sum(losses, here, parameters, scale=self.scale, retain_graph=retain_graph))
        return self._finish(balancer, pending, weights, None, weights)

    def balance(
        self,
        place: Measured,
        balancer: Balancer,
        values: Mapping[str, Tensor],
        context: Mapping[str, TaskContext],
        *,
        diagnose: bool,
    ) -> Balanced:
        """Weights or an update from gradients, and what follows from them."""
        place.combine(self.processes)
        if isinstance(balancer, GradientAggregator) and balancer.needs_gradients(values):
            gramian = place.gramian(self.processes) if diagnose else None
            found = balancer.from_gradients(place.rows / self.scale, values)
            place.apply_update(found * self.scale)
            return self._finish(balancer, place.pending, None, gramian, found)
        gramian = place.gramian(self.processes)
        if isinstance(balancer, GramianWeighting) and balancer.needs_gradients(values):
            weights = balancer.from_gramian(gramian, values)
        else:
            weights = balancer.known_weights(values, context)
        weights = self.processes.agree(weights, self.device)
        place.apply(weights)
        return self._finish(balancer, place.pending, weights, gramian, weights)

    def _finish(
        self,
        balancer: Balancer,
        pending: Pending,
        weights: Tensor | None,
        gramian: Tensor | None,
        found: Tensor,
    ) -> Balanced:
        """Fill in what waits; the step counts if what the balancer ``found`` is finite."""
        shared = () if self.sharded else self.shared
        parameters = list({id(p): p for p in (*shared, *self.own)}.values())
        self.processes.accumulate(pending, weights if balancer.weighs_tasks else None, parameters)
        if bool(torch.isfinite(found).all()):
            balancer.steps += 1
        return Balanced(self.tasks, weights, gramian)
