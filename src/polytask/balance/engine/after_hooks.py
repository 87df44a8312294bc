"""Gradients of the outputs of nodes, as hooks leave them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

__all__ = ["grad_after_hooks"]


def grad_after_hooks(
    outputs: Sequence[Any],
    nodes: Sequence[Node],
    others: Sequence[Any],
    factors: Sequence[Tensor],
    *,
    retain_graph: bool,
) -> list[Tensor | None]:
    """The gradients of the first outputs of nodes, then those of others, as `torch.autograd.grad`.

    Of a node that runs itself, for the sake of what lies further down, autograd returns the
    gradient before the hooks of its output change it; here it is what the node is given.

    Args:
        outputs: what to differentiate.
        nodes: of the graph.
        others: what else to differentiate for.
        factors: of the outputs.
        retain_graph: as in autograd.
    """
    edges = [GradientEdge(node, 0) for node in nodes]
    if not edges and not others:
        return []
    given: dict[int, Tensor] = {}
    handles = [node.register_hook(_keeping(given, place)) for place, node in enumerate(nodes)]
    try:
        found = torch.autograd.grad(
            outputs,
            [*edges, *others],
            grad_outputs=factors,
            retain_graph=retain_graph,
            allow_unused=True,
        )
    finally:
        for handle in handles:
            handle.remove()
    return [given.get(place, gradient) for place, gradient in enumerate(found)]


def _keeping(given: dict[int, Tensor], place: int) -> Callable[..., None]:
    """A hook that keeps what a node is given."""

    def hook(_: object, outputs: Sequence[Tensor | None]) -> None:
        if outputs[0] is not None:
            given[place] = outputs[0]

    return hook
