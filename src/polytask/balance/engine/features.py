"""Gradients at the shared features, in place of those of the shared parameters.

Shapes: K tasks, F numbers of the features of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from polytask.balance.engine.graph import Graph
from polytask.balance.engine.linear_heads import Head, LinearHeads, linear_heads
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import gramian_of, row_dtype, views
from polytask.errors import InputError

if TYPE_CHECKING:
    from polytask.balance.engine.shards import Shards

__all__ = ["FeatureGradients"]


class FeatureGradients:
    """Walks each head once and the shared part once.

    The inner product of two tasks is that of their gradients at the features; it bounds the one of
    the parameters and equals it up to a linear map, the Jacobian of the shared part (Sener and
    Koltun 2018, section 3.3).

    Args:
        losses: task -> scalar, of this process.
        tasks: ``[K]`` of the step.
        features: the outputs of the shared part, on which all losses depend.
        shared: the parameters of the shared part.
        scale: factor of the losses, as of a gradient scaler.
        shards: of the shared parameters, if they are cut.
        retain_graph: as in autograd.

    Raises:
        InputError: the features do not depend on any parameter, or a loss depends on a shared
            parameter past them.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor],
        tasks: Sequence[str],
        features: Sequence[Tensor],
        shared: Sequence[Tensor],
        *,
        scale: float = 1.0,
        shards: Shards | None = None,
        retain_graph: bool = False,
    ) -> None:
        self.features, self.scale, self._retain = list(features), scale, retain_graph
        self._shared, self._shards = list(shared), shards
        self.pending = Pending()
        graph = Graph(list(losses.values()), without=_nodes(features))
        _check_nothing_past(graph, self._shared)
        self._count, places = len(tasks), [tasks.index(name) for name in losses]
        self._heads: LinearHeads | None = None
        self._rows: Tensor | None = None
        heads = linear_heads(graph, places, self.features) if graph.apart else []
        passes = 0 if heads else min(1, len(losses)) if graph.apart else len(losses)
        missing = 0 if shards is None else shards.most(passes) - passes
        # of the passes to the features, in which all processes gather the shared part together
        if heads:
            self._by_heads(heads, places, list(losses.values()), graph)
        elif graph.apart:
            self._at_once(places, list(losses.values()), graph)
        else:
            for index, (task, loss) in enumerate(zip(places, losses.values(), strict=True)):
                keep = retain_graph or (graph.shares_nodes and index < len(losses) - 1)
                self._differentiate(task, loss, graph.leaves(index), retain_graph=keep)
        for _ in range(missing):
            nothing = sum((feature.sum() for feature in self.features), torch.zeros(())) * 0
            torch.autograd.grad(nothing, self.features)

    @property
    def rows(self) -> Tensor:
        """``[K, F]`` the gradients, times ``scale``; may be written to when nothing else is due."""
        if self._rows is None:
            if self._heads is not None:
                self._rows = self._heads.rows(self._count).flatten(1)
            else:
                size, first = sum(f.numel() for f in self.features), self.features[0]
                dtype = row_dtype(self.features)
                self._rows = torch.zeros(self._count, size, dtype=dtype, device=first.device)
        return self._rows

    def combine(self, processes: Processes) -> None:
        """Nothing: each process has examples of its own, and with them gradients of its own."""

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products over the examples of all processes, float64 on the CPU."""
        heads = self._heads
        found = gramian_of(self.rows) if heads is None else heads.gramian(self._count)
        return processes.add(found).cpu() * (processes.factor / self.scale) ** 2

    def apply(self, weights: Tensor) -> None:
        """Send the weighted sum of the gradients through the shared part."""
        if self._heads is None:
            self.apply_update(weights.to(self.rows) @ self.rows)
        else:
            self.apply_update(self._heads.mixed(weights).flatten())

    def apply_update(self, update: Tensor) -> None:
        """Send an update ``[F]`` through the shared part."""
        parts = [
            part.to(feature.dtype)
            for part, feature in zip(views(update, self.features), self.features, strict=True)
        ]
        if self._shards is not None:  # which takes the mean and fills in .grad itself
            torch.autograd.backward(self.features, parts, retain_graph=self._retain)
            return
        found = torch.autograd.grad(
            self.features,
            self._shared,
            grad_outputs=parts,
            retain_graph=self._retain,
            allow_unused=True,
        )
        self.pending.add(self._shared, found)

    def _at_once(self, places: Sequence[int], losses: Sequence[Tensor], graph: Graph) -> None:
        """One backward pass for heads that have nothing in common.

        What a head sends to the features is read where it leaves the head.
        """
        handles = []
        for number, feature in enumerate(self.features):
            for owner, node, place in graph.users(feature):
                part = views(self.rows[places[owner]], self.features)[number]
                handles.append(node.register_hook(_adding(part, place)))
        try:
            self._walk(places, losses, graph, self.features)
        finally:
            for handle in handles:
                handle.remove()

    def _by_heads(
        self, heads: Sequence[Head], places: Sequence[int], losses: Sequence[Tensor], graph: Graph
    ) -> None:
        """The same for heads that read the features by linear layers."""
        found = self._walk(places, losses, graph, [head.edge for head in heads])
        count = len(self.features[0])
        self._heads = LinearHeads(
            tasks=[head.task for head in heads],
            weights=[head.weight for head in heads],
            outputs=[
                head.weight.new_zeros(count, len(head.weight)) if output is None else output
                for head, output in zip(heads, found, strict=True)
            ],
        )

    def _walk(
        self,
        places: Sequence[int],
        losses: Sequence[Tensor],
        graph: Graph,
        ends: Sequence[Any],
    ) -> Sequence[Tensor | None]:
        """One backward pass: the gradients of its ends, tensors or edges of the graph.

        Those of tasks' parameters wait.
        """
        own = [(task, leaf) for index, task in enumerate(places) for leaf in graph.leaves(index)]
        found = torch.autograd.grad(
            losses,
            [*ends, *(leaf for _, leaf in own)],
            grad_outputs=[torch.full_like(loss, self.scale) for loss in losses],
            retain_graph=self._retain,
            allow_unused=True,
        )
        for (task, leaf), gradient in zip(own, found[len(ends) :], strict=True):
            self.pending.add([leaf], [gradient], task=task)
        return found[: len(ends)]

    def _differentiate(
        self, index: int, loss: Tensor, own: Sequence[Tensor], *, retain_graph: bool
    ) -> None:
        found = torch.autograd.grad(
            loss,
            [*self.features, *own],
            grad_outputs=torch.full_like(loss, self.scale),
            retain_graph=retain_graph,
            allow_unused=True,
        )
        count = len(self.features)
        parts = views(self.rows[index], self.features)
        for part, gradient in zip(parts, found[:count], strict=True):
            if gradient is not None:
                part.copy_(gradient)
        self.pending.add(own, found[count:], task=index)


def _adding(part: Tensor, place: int) -> Callable[..., None]:
    """A hook that adds what a node sends to one of its inputs."""

    def hook(sent: Sequence[Tensor | None], _: object) -> None:
        gradient = sent[place]
        if gradient is not None:
            part.add_(gradient)

    return hook


def _nodes(features: Sequence[Tensor]) -> list[Node]:
    nodes = [feature.grad_fn for feature in features]
    if not nodes or any(node is None for node in nodes):
        raise InputError("features must be computed from the shared parameters, undetached")
    return [node for node in nodes if node is not None]


def _check_nothing_past(graph: Graph, shared: Sequence[Tensor]) -> None:
    ids = {id(parameter) for parameter in shared}
    past = [tuple(leaf.shape) for leaf in graph.all_leaves() if id(leaf) in ids]
    if past:
        raise InputError(
            f"cost='features': {len(past)} shared parameters, with shapes {past[:3]}, reach a loss "
            f"without passing the features; give the last shared features"
        )
