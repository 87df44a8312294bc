"""Gradients at the shared features, in place of those of the shared parameters.

Shapes: K tasks, F numbers of the features of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.graph import Node

from polytask.balance.engine.after_hooks import grad_after_hooks
from polytask.balance.engine.below import below
from polytask.balance.engine.cut import check_kept
from polytask.balance.engine.feature_graph import (
    check_heads,
    check_nothing_past,
    check_places,
    edges_of,
    graph_of_heads,
)
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
        own: those of the tasks, needed with shards.
        scale: factor of the losses, as of a gradient scaler.
        shards: of the shared parameters, if they are cut.
        retain_graph: as in autograd.

    Raises:
        InputError: the features do not depend on any shared parameter, or a loss depends on one
            past them.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor],
        tasks: Sequence[str],
        features: Sequence[Tensor],
        shared: Sequence[Tensor],
        *,
        own: Sequence[Tensor] = (),
        scale: float = 1.0,
        shards: Shards | None = None,
        retain_graph: bool = False,
    ) -> None:
        edges = edges_of(features)
        self.features, self.scale, self._retain = [*edges.values()], scale, retain_graph
        self._shards = shards
        self.pending = Pending()
        graph, self._below = graph_of_heads(losses, [*edges]), below([*edges])
        self._shared = list(shared)
        if shards is None:
            check_nothing_past(graph, self._below.leaves, shared)
        else:
            check_heads(graph, own)
            check_places(losses, tasks, self.features, shards)
        self._count, places = len(tasks), [tasks.index(name) for name in losses]
        self._heads: LinearHeads | None = None
        self._rows: Tensor | None = None
        heads = linear_heads(graph, places, self.features) if graph.apart else []
        passes = 0 if heads else min(1, len(losses)) if graph.apart else len(losses)
        # in every pass to the features all processes gather the shared part together
        missing = 0 if shards is None else shards.most(passes) - passes
        if heads:
            self._by_heads(heads, places, list(losses.values()), graph)
        elif graph.apart:
            self._at_once(places, list(losses.values()), graph)
        else:
            for index, (task, loss) in enumerate(zip(places, losses.values(), strict=True)):
                keep = graph.shares_nodes and index < len(losses) - 1
                self._differentiate(index, task, loss, graph, retain_graph=retain_graph or keep)
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
            if all(parameter.grad is None for parameter in self._shared):
                raise InputError("cost='features': give what the part under fully_shard returns")
            return
        leaves = self._below.leaves
        found = torch.autograd.grad(
            self.features,
            leaves,
            grad_outputs=parts,
            retain_graph=self._retain,
            allow_unused=True,
        )
        self.pending.add(leaves, found)

    def _at_once(self, places: Sequence[int], losses: Sequence[Tensor], graph: Graph) -> None:
        """One backward pass for heads that have nothing in common."""
        own = [(task, leaf) for index, task in enumerate(places) for leaf in graph.leaves(index)]
        with self._sent(graph, lambda owner: places[owner]):
            found = self._walk(losses, [], [leaf for _, leaf in own], self._retain)
        for (task, leaf), gradient in zip(own, found, strict=True):
            self.pending.add([leaf], [gradient], task=task)

    def _by_heads(
        self, heads: Sequence[Head], places: Sequence[int], losses: Sequence[Tensor], graph: Graph
    ) -> None:
        """The same for heads that read the features by linear layers."""
        own = [(task, leaf) for index, task in enumerate(places) for leaf in graph.leaves(index)]
        found = self._walk(
            losses, [head.node for head in heads], [leaf for _, leaf in own], self._retain
        )
        for (task, leaf), gradient in zip(own, found[len(heads) :], strict=True):
            self.pending.add([leaf], [gradient], task=task)
        check_kept([head.weight for head in heads])
        count = len(self.features[0])
        self._heads = LinearHeads(
            tasks=[head.task for head in heads],
            weights=[head.weight for head in heads],
            outputs=[
                head.weight.new_zeros(count, len(head.weight)) if output is None else output
                for head, output in zip(heads, found, strict=False)
            ],
        )

    def _differentiate(
        self, index: int, task: int, loss: Tensor, graph: Graph, *, retain_graph: bool
    ) -> None:
        """A backward pass for the head of one task."""
        own = graph.leaves(index)
        with self._sent(graph, lambda _: task):
            found = self._walk([loss], [], own, retain_graph)
        self.pending.add(own, found, task=task)

    def _walk(
        self,
        losses: Sequence[Tensor],
        nodes: Sequence[Node],
        own: Sequence[Tensor],
        retain_graph: bool,
    ) -> list[Tensor | None]:
        """The gradients of outputs of nodes, or else down to the features, and of own parameters.

        Where one feature was computed from another, what is between them is walked, too.
        """
        features = [] if nodes else self.features
        found = grad_after_hooks(
            losses,
            nodes,
            [*own, *features],
            [torch.full_like(loss, self.scale) for loss in losses],
            retain_graph=retain_graph or self._below.nested,
        )
        return found[: len(nodes) + len(own)]

    @contextmanager
    def _sent(self, graph: Graph, task_of: Callable[[int], int]) -> Iterator[None]:
        """Add what heads send to the features to the rows of their tasks.

        It is read where it leaves the head: where it arrives, hooks of the features would change it
        once more, and what other features send would be in it.

        Args:
            graph: of the heads.
            task_of: number of a loss -> position of the task that is differentiated.
        """
        handles = []
        for number, feature in enumerate(self.features):
            for owner, node, place in graph.users(feature):
                part = views(self.rows[task_of(owner)], self.features)[number]
                handles.append(node.register_hook(_adding(part, place)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _adding(part: Tensor, place: int) -> Callable[..., None]:
    """A hook that adds what a node sends to one of its inputs."""

    def hook(sent: Sequence[Tensor | None], _: object) -> None:
        gradient = sent[place]
        if gradient is not None:
            part.add_(gradient)

    return hook
