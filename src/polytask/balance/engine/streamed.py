"""Gramians without the gradients of all parameters at a time.

Shapes: K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from polytask.balance.engine.graph import Edge, Graph
from polytask.balance.engine.group import GroupGradients, differentiate
from polytask.balance.engine.linear import linear_uses
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.segments import Segment, segments

__all__ = ["streamed_gramians"]


def streamed_gramians(
    losses: Mapping[str, Tensor],
    tasks: Sequence[str],
    groups: Sequence[Sequence[Tensor]],
    processes: Processes,
    *,
    scale: float = 1.0,
) -> list[Tensor]:
    """``[K, K]`` inner products of each group's gradients, float64 on the CPU; keeps the graph.

    All tasks walk the graph together, stretch by stretch. At a time there are the gradients of one
    stretch's parameters, no more than those of the largest layer, and of the activations between
    it and the next. A parameter that is used in several stretches belongs to the first, from where
    its gradients are walked to the end.

    Args:
        losses: task -> scalar, of this process.
        tasks: ``[K]`` of the step.
        groups: shared parameters that are compared apart.
        processes: that compute the step together; where their graphs differ, all stretches are one.
        scale: factor of the losses, as of a gradient scaler; not in the Gramians.
    """
    shared = [parameter for group in groups for parameter in group]
    walk = _Walk(losses, tasks, shared, processes, scale=scale)
    totals = [torch.zeros(len(tasks), len(tasks), dtype=torch.float64) for _ in groups]
    for part in walk.parts:
        for total, found in zip(totals, walk.through(part, groups), strict=True):
            total += found
    return totals


class _Walk:
    """The gradients of all tasks on their way through a graph."""

    def __init__(
        self,
        losses: Mapping[str, Tensor],
        tasks: Sequence[str],
        shared: Sequence[Tensor],
        processes: Processes,
        *,
        scale: float,
    ) -> None:
        self._count, self._processes, self._scale = len(tasks), processes, scale
        graph, ids = Graph(list(losses.values())), {id(parameter) for parameter in shared}
        roots = [_edge(loss) for loss in losses.values()]
        parts = segments([node for node, _ in roots], graph.edges, ids)
        self.parts = parts if processes.same(_numbers(parts, shared)) else [Segment([*shared])]
        self._found = linear_uses(graph, ids) if processes.alone else {}
        self._leaves = {id(leaf) for leaf in graph.all_leaves()}
        self._arrived: dict[int, dict[Edge, Tensor]] = {
            tasks.index(name): {root: torch.full_like(loss, scale)}
            for (name, loss), root in zip(losses.items(), roots, strict=True)
        }
        """Task -> gradients that arrived at the next stretches."""

    def through(self, part: Segment, groups: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Go on by one stretch; returns the Gramian of each group's parameters in it."""
        here = {id(parameter) for parameter in part.parameters}
        chosen = ([p for p in group if id(p) in here] for group in groups)
        places = [
            GroupGradients(found, self._count, scale=self._scale, lean=True) for found in chosen
        ]
        self._fill(part, places)
        for place in places:
            place.combine(self._processes)
        return [place.gramian(self._processes) for place in places]

    def _fill(self, part: Segment, places: Sequence[GroupGradients]) -> None:
        """Put the gradients of a stretch's parameters into their places."""
        count, found = len(self._arrived), self._found
        expected = (place.expect(found, self._leaves, losses=count) for place in places)
        uses = [use for of_place in expected for use in of_place]
        outputs: list[dict[int, Tensor]] = [{} for _ in uses]
        exits = [GradientEdge(*edge) for edge in part.exits]
        for task, arrived in self._arrived.items():
            if not arrived:
                continue
            edges = [GradientEdge(*edge) for edge in arrived]
            with _caught(part, arrived):
                sent = differentiate(
                    places, task, edges, list(arrived.values()), uses, exits, retain_graph=True
                )
            for output, gradient in zip(outputs, sent, strict=False):
                if gradient is not None:
                    output[task] = gradient
            for edge in [edge for edge in arrived if edge[0] in part.nodes]:
                del arrived[edge]
        layers = {key: layer for place in places for key, layer in place.layers.items()}
        for use, output in zip(uses, outputs, strict=True):
            layers[id(use.weight)].add(use.inputs, output)


@contextmanager
def _caught(part: Segment, arrived: dict[Edge, Tensor]) -> Iterator[None]:
    """Add what leaves a stretch to what arrived.

    It is read where it is sent: where it arrives, hooks of tensors would change it, and once more
    when the next stretch begins with it.
    """
    handles = [
        node.register_hook(_adding(arrived, edge, place))
        for edge, users in part.exits.items()
        for node, place in users
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _adding(arrived: dict[Edge, Tensor], edge: Edge, place: int) -> Callable[..., None]:
    def hook(sent: Sequence[Tensor | None], _: object) -> None:
        gradient = sent[place]
        if gradient is not None:
            before = arrived.get(edge)
            arrived[edge] = gradient if before is None else before + gradient

    return hook


def _edge(loss: Tensor) -> Edge:
    assert loss.grad_fn is not None
    return loss.grad_fn, loss.output_nr


def _numbers(parts: Sequence[Segment], shared: Sequence[Tensor]) -> Tensor:
    """The number of the stretch of each shared parameter, -1 for one that is in none."""
    found = {id(p): number for number, part in enumerate(parts) for p in part.parameters}
    return torch.tensor([found.get(id(parameter), -1) for parameter in shared])
