"""The gradients of each task with respect to the shared parameters.

Shapes: K tasks, P numbers of the shared parameters that are kept as gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from polytask.balance.engine.graph import Graph
from polytask.balance.engine.linear import LinearLayer, linear_layers
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import accumulate, gramian_of, row_dtype, views

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
        factored: linear layers may be kept by their inputs and output gradients; then `add` is
            called once.
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
        self._parameters, self._shared = list(measured), {id(p) for p in shared}
        self._factored, self._layers = factored, list[LinearLayer]()
        self._rows: Tensor | None = None
        self._begun: set[str] = set()
        self._reached: set[int] = set()

    def add(self, losses: Mapping[str, Tensor], *, retain_graph: bool = False) -> None:
        """Differentiate the losses of a batch.

        Args:
            losses: task -> scalar, any subset of the tasks.
            retain_graph: as in autograd.
        """
        graph = Graph(list(losses.values()))
        if self._factored and graph.shares_nodes:
            self._layers = linear_layers(graph, self._shared)
            kept = {id(p) for layer in self._layers for p in layer.parameters}
            self._parameters = [p for p in self._parameters if id(p) not in kept]
        for index, (name, loss) in enumerate(losses.items()):
            last = index == len(losses) - 1
            retain = retain_graph or (graph.shares_nodes and not last)
            own = [leaf for leaf in graph.leaves(index) if id(leaf) not in self._shared]
            self._differentiate(name, loss, own, retain_graph=retain)

    @property
    def rows(self) -> Tensor:
        """``[K, P]`` the gradients that are kept; zero where a task has none."""
        if self._rows is None:
            like = self._parameters[0] if self._parameters else torch.zeros(())
            size = sum(p.numel() for p in self._parameters)
            dtype = row_dtype(self._parameters)
            self._rows = torch.zeros(len(self.tasks), size, dtype=dtype, device=like.device)
        return self._rows

    def combine(self, processes: Processes) -> None:
        """Make the gradients those of all processes."""
        processes.combine(self.rows)
        flags = [float(id(p) in self._reached) for p in self._parameters]
        found = processes.add(torch.tensor(flags, device=self.rows.device)).tolist()
        pairs = zip(self._parameters, found, strict=True)
        self._reached = {id(parameter) for parameter, count in pairs if count}

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products without ``scale``, float64 on the CPU; call `combine` first."""
        total = gramian_of(self.rows)
        for layer in self._layers:
            total += gramian_of(layer.rows())
        return total.cpu() / self.scale**2

    def apply(self, weights: Tensor) -> None:
        """Add the weighted sum of the gradients to ``.grad`` of the measured parameters."""
        for layer in self._layers:
            layer.accumulate(weights)
        self.apply_update(weights.to(self.rows) @ self.rows)

    def apply_update(self, update: Tensor) -> None:
        """Add an update ``[P]`` to ``.grad`` of the parameters that any loss depends on."""
        for parameter, part in zip(self._parameters, views(update, self._parameters), strict=True):
            if id(parameter) in self._reached:
                accumulate(parameter, part)

    def _differentiate(
        self, name: str, loss: Tensor, own: Sequence[Tensor], *, retain_graph: bool
    ) -> None:
        index = self.tasks.index(name)
        edges: list[Any] = [layer.edge for layer in self._layers]
        found = torch.autograd.grad(
            loss,
            [*edges, *self._parameters, *own],
            grad_outputs=torch.full_like(loss, self.scale),
            retain_graph=retain_graph,
            allow_unused=True,
        )
        count = len(edges) + len(self._parameters)
        for layer, output in zip(self._layers, found, strict=False):
            layer.outputs.append(output)
        self._keep(name, index, found[len(edges) : count])
        self.pending.add(own, found[count:], task=index)

    def _keep(self, name: str, index: int, gradients: Sequence[Tensor | None]) -> None:
        parts = views(self.rows[index], self._parameters)
        for parameter, part, gradient in zip(self._parameters, parts, gradients, strict=True):
            if gradient is not None:
                dense = gradient.to_dense() if gradient.is_sparse else gradient
                part.add_(dense) if name in self._begun else part.copy_(dense)
                self._reached.add(id(parameter))
        self._begun.add(name)
