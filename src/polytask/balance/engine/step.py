"""One step of balanced training: which tasks it has, and how their gradients become an update.

Shapes: K tasks of the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
from polytask.balance.engine.processes import Combine, Processes
from polytask.balance.engine.weighted import each, of_sum
from polytask.balance.result import Balanced
from polytask.errors import InputError

__all__ = ["Step"]


class Step:
    """What all ways through a balanced step have in common.

    Args:
        losses: task -> scalar, of this process.
        shared: the shared parameters; those that are frozen are passed over.
        own: task -> its parameters, or None to find them in the graph.
        processes: how those of several processes become one.
        scale: factor of the losses, as of a gradient scaler.

    Raises:
        InputError: no losses, a loss that is no scalar, no shared parameter, or several processes
            without ``own``.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor],
        shared: Iterable[Tensor],
        own: Mapping[str, Iterable[Tensor]] | None,
        *,
        processes: Combine,
        scale: float,
    ) -> None:
        self.shared = [p for p in shared if p.requires_grad]
        self.processes, self.scale = Processes(processes), scale
        _check(losses, alone=self.processes.alone)
        self.own = None if own is None else {name: list(found) for name, found in own.items()}
        self.device = _device(losses, self.shared)
        self.tasks = self.processes.tasks(losses, self.own, self.device)
        self.values = self._values(losses)

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
        """One backward pass with weights that are known."""
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
        return self._finish(balancer, pending, weights, None)

    def balance(
        self,
        place: Measured,
        balancer: Balancer,
        context: Mapping[str, TaskContext],
        *,
        diagnose: bool,
    ) -> Balanced:
        """Weights or an update from gradients, and what follows from them."""
        place.combine(self.processes)
        if isinstance(balancer, GradientAggregator) and balancer.needs_gradients(self.values):
            gramian = place.gramian(self.processes) if diagnose else None
            found = balancer.from_gradients(place.rows / self.scale, self.values)
            place.apply_update(found * self.scale)
            return self._finish(balancer, place.pending, None, gramian)
        gramian = place.gramian(self.processes)
        if isinstance(balancer, GramianWeighting) and balancer.needs_gradients(self.values):
            weights = balancer.from_gramian(gramian, self.values)
        else:
            weights = balancer.known_weights(self.values, context)
        weights = self.processes.agree(weights, self.device)
        place.apply(weights)
        return self._finish(balancer, place.pending, weights, gramian)

    def _finish(
        self,
        balancer: Balancer,
        pending: Pending,
        weights: Tensor | None,
        gramian: Tensor | None,
    ) -> Balanced:
        own = [p for found in (self.own or {}).values() for p in found if p.requires_grad]
        parameters = list({id(p): p for p in (*self.shared, *own)}.values())
        self.processes.accumulate(pending, weights if balancer.weighs_tasks else None, parameters)
        finite = weights is None or bool(torch.isfinite(weights).all())
        if finite:
            balancer.steps += 1
        return Balanced(tuple(self.tasks), weights, gramian)

    def _values(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Task -> loss of all processes together, float64 on the CPU."""
        zero = torch.zeros((), device=self.device)
        values = torch.stack([losses.get(name, zero).detach().float() for name in self.tasks])
        found = self.processes.combine(values).to("cpu", torch.float64)
        return dict(zip(self.tasks, found.unbind(), strict=True))


def _check(losses: Mapping[str, Tensor], *, alone: bool) -> None:
    if alone and not losses:
        raise InputError("balance: there is no loss")
    for name, loss in losses.items():
        if loss.ndim:
            raise InputError(
                f"balance: the loss of {name!r} must be a scalar, got the shape {tuple(loss.shape)}"
            )
        if loss.grad_fn is None:
            raise InputError(f"balance: the loss of {name!r} was not computed from any parameter")


def _device(losses: Mapping[str, Tensor], shared: list[Tensor]) -> torch.device:
    if not shared:
        raise InputError("balance: there is no shared parameter that is trained")
    return next(iter(losses.values()), shared[0]).device
