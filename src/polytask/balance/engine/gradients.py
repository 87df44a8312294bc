"""The gradients of each task with respect to the shared parameters.

Shapes: K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polytask.balance.engine.graph import Graph
from polytask.balance.engine.group import GroupGradients, differentiate
from polytask.balance.engine.linear import LinearUse, linear_uses
from polytask.balance.engine.pending import Pending

__all__ = ["TaskGradients"]


class TaskGradients:
    """Collects gradients of one or several batches, one backward pass per loss.

    Losses that share a computation walk it once each, however many tasks there are; losses with a
    computation of their own free it at once.

    Args:
        tasks: ``[K]`` all tasks of the step.
        groups: the parameters whose gradients are kept, in groups that are compared apart.
        shared: these and the other shared parameters; all others belong to tasks.
        scale: factor of the losses, as of a gradient scaler; kept in gradients, not in the Gramian.
        factored: linear layers may be kept by their inputs and output gradients, where there are
            fewer positions than inputs.
        lasting: batches may be overwritten before the gradients are used.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        groups: Sequence[Sequence[Tensor]],
        shared: Sequence[Tensor],
        *,
        scale: float = 1.0,
        factored: bool = False,
        lasting: bool = False,
    ) -> None:
        self.tasks, self.scale = tuple(tasks), scale
        self.pending = Pending()
        self.groups = [GroupGradients(group, len(self.tasks), scale=scale) for group in groups]
        self._shared, self._factored = {id(p) for p in shared}, factored
        self._lasting = lasting

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
            task, factor = self.tasks.index(name), torch.full_like(loss, self.scale)
            found = differentiate(
                self.groups, task, [loss], [factor], uses, own, retain_graph=retain
            )
            self.pending.add(own, found[len(uses) :], task=task)
            for output, gradient in zip(outputs, found, strict=False):
                if gradient is not None:
                    output[task] = gradient
        layers = {key: layer for group in self.groups for key, layer in group.layers.items()}
        for use, output in zip(uses, outputs, strict=True):
            copied = self._lasting and use.reads_data
            layers[id(use.weight)].add(use.inputs.clone() if copied else use.inputs, output)

    def _uses(self, graph: Graph) -> list[LinearUse]:
        """The linear layers of a graph that are kept by factors."""
        found = linear_uses(graph, self._shared) if self._factored else {}
        leaves = {id(leaf) for leaf in graph.all_leaves()}
        count = graph.count
        return [use for one in self.groups for use in one.expect(found, leaves, losses=count)]
