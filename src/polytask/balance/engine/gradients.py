"""The gradients of each task with respect to the shared parameters.

Shapes: K tasks, P numbers of the parameters whose gradients are kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from polytask.balance.engine.dense import DenseGradients
from polytask.balance.engine.factored import FactoredLayer
from polytask.balance.engine.graph import Graph
from polytask.balance.engine.linear import LinearUse, linear_uses
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import gramian_of

__all__ = ["TaskGradients"]


class TaskGradients:
    """Collects gradients of one or several batches, one backward pass per loss.

    Losses that share a computation walk it once each, however many tasks there are; losses with a
    computation of their own free it at once.

    Args:
        tasks: ``[K]`` all tasks of the step.
        measured: the parameters whose gradients are kept.
        shared: ``measured`` and the other shared parameters; all others belong to tasks.
        scale: factor of the losses, as of a gradient scaler; kept in gradients, not in the Gramian.
        factored: linear layers may be kept by their inputs and output gradients, where there are
            fewer positions than inputs.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        measured: Sequence[Tensor],
        shared: Sequence[Tensor],
        *,
        scale: float = 1.0,
        factored: bool = False,
    ) -> None:
        self.tasks, self.scale = tuple(tasks), scale
        self.pending = Pending()
        self._measured, self._shared = list(measured), {id(p) for p in shared}
        self._factored = factored
        self._layers: dict[int, FactoredLayer] = {}
        self._dense: list[DenseGradients] = []

    def add(self, losses: Mapping[str, Tensor], *, retain_graph: bool = False) -> None:
        """Differentiate the losses of a batch.

        Args:
            losses: task -> scalar, any subset of the tasks.
            retain_graph: as in autograd.
        """
        graph = Graph(list(losses.values()))
        uses = self._uses(graph)
        outputs: list[dict[int, Tensor]] = [{} for _ in uses]
        for index, (name, loss) in enumerate(losses.items()):
            last = index == len(losses) - 1
            retain = retain_graph or (graph.shares_nodes and not last)
            own = [leaf for leaf in graph.leaves(index) if id(leaf) not in self._shared]
            found = self._differentiate(self.tasks.index(name), loss, uses, own, retain)
            for output, gradient in zip(outputs, found, strict=True):
                if gradient is not None:
                    output[self.tasks.index(name)] = gradient
        for use, output in zip(uses, outputs, strict=True):
            self._layers[id(use.weight)].add(use.inputs, output)

    @property
    def rows(self) -> Tensor:
        """``[K, P]`` the gradients; those that are not factored."""
        if not self._dense:
            self._dense = [DenseGradients(self._measured, len(self.tasks))]
        return torch.cat([dense.rows for dense in self._dense], dim=1)

    def combine(self, processes: Processes) -> None:
        """Make the gradients those of all processes; they are not factored."""
        if not processes.alone:
            for dense in self._dense or [DenseGradients(self._measured, len(self.tasks))]:
                dense.combine(processes)

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products without ``scale``, float64 on the CPU; call `combine` first."""
        parts = [dense.rows for dense in self._dense]
        total = torch.zeros(len(self.tasks), len(self.tasks), dtype=torch.float64)
        for rows in (*parts, *(layer.rows(len(self.tasks)) for layer in self._layers.values())):
            total += gramian_of(rows).cpu()
        return total / self.scale**2

    def apply(self, weights: Tensor) -> None:
        """Add the weighted sum of the gradients to ``.grad`` of the measured parameters."""
        for layer in self._layers.values():
            layer.accumulate(weights)
        for dense in self._dense:
            dense.accumulate(weights.to(dense.rows) @ dense.rows)

    def apply_update(self, update: Tensor) -> None:
        """Add an update ``[P]`` to ``.grad`` of the parameters that any loss depends on."""
        parts = torch.split(update, [dense.rows.shape[1] for dense in self._dense])
        for dense, part in zip(self._dense, parts, strict=True):
            dense.accumulate(part)

    def _uses(self, graph: Graph) -> list[LinearUse]:
        """The linear layers of a graph that are kept by factors; decides what is kept how."""
        found = linear_uses(graph, self._shared) if self._factored else {}
        if not self._dense:
            for key, uses in found.items():
                if sum(len(use.inputs) for use in uses) < uses[0].weight.shape[1]:
                    self._layers[key] = FactoredLayer(uses[0].weight, uses[0].bias)
            kept = {id(p) for layer in self._layers.values() for p in layer.parameters}
            rest = [p for p in self._measured if id(p) not in kept]
            self._dense = [DenseGradients(rest, len(self.tasks))]
        there = {id(leaf) for leaf in graph.all_leaves()}
        for key, layer in list(self._layers.items()):
            more = sum(len(use.inputs) for use in found.get(key, ()))
            too_long = layer.positions + more >= layer.weight.shape[1]
            if too_long or (key in there and key not in found):
                self._settle(key)
        return [use for key, uses in found.items() if key in self._layers for use in uses]

    def _settle(self, key: int) -> None:
        """Keep a layer's gradients as they are from now on."""
        layer = self._layers.pop(key)
        dense = DenseGradients(layer.parameters, len(self.tasks))
        for task, weights in enumerate(torch.eye(len(self.tasks))):
            if task in layer.tasks:
                dense.add(task, layer.gradient(weights))
        self._dense.append(dense)

    def _differentiate(
        self,
        task: int,
        loss: Tensor,
        uses: Sequence[LinearUse],
        own: Sequence[Tensor],
        retain_graph: bool,
    ) -> Sequence[Tensor | None]:
        """Keep a loss's gradients; returns those of the outputs of linear layers."""
        edges: list[Any] = [use.edge for use in uses]
        parameters = [p for dense in self._dense for p in dense.parameters]
        found = torch.autograd.grad(
            loss,
            [*edges, *parameters, *own],
            grad_outputs=torch.full_like(loss, self.scale),
            retain_graph=retain_graph,
            allow_unused=True,
        )
        start = len(edges)
        for dense in self._dense:
            end = start + len(dense.parameters)
            dense.add(task, found[start:end])
            start = end
        self.pending.add(own, found[start:], task=task)
        return found[: len(edges)]
