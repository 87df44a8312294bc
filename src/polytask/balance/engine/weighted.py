"""Gradients for weights that are known beforehand.

Shapes: K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polytask.balance.engine.graph import Graph

__all__ = ["each", "of_sum"]

Found = tuple[Sequence[Tensor], Sequence[Tensor | None]]
"""Parameters, and their gradients."""


def each(
    losses: Mapping[str, Tensor], graph: Graph, shared: Sequence[Tensor], *, scale: float
) -> dict[str, Found]:
    """Task -> the gradients of its loss for the parameters that are not shared; keeps the graph.

    Only the part of the graph between a loss and these parameters is walked.

    Args:
        losses: task -> scalar.
        graph: of these losses.
        shared: the shared parameters.
        scale: factor of the losses, as of a gradient scaler.
    """
    ids = {id(parameter) for parameter in shared}
    found: dict[str, Found] = {}
    for index, (name, loss) in enumerate(losses.items()):
        leaves = [leaf for leaf in graph.leaves(index) if id(leaf) not in ids]
        if leaves:
            factor = torch.full_like(loss, scale)
            gradients = torch.autograd.grad(
                loss, leaves, factor, retain_graph=True, allow_unused=True
            )
            found[name] = (leaves, gradients)
    return found


def of_sum(
    losses: Mapping[str, Tensor],
    weights: Tensor,
    parameters: Sequence[Tensor],
    *,
    scale: float,
    retain_graph: bool,
) -> Found:
    """The gradients of the weighted sum of the losses.

    Args:
        losses: task -> scalar.
        weights: ``[K]`` of these tasks.
        parameters: to differentiate for.
        scale: factor of the losses, as of a gradient scaler.
        retain_graph: as in autograd.
    """
    if not losses:
        return parameters, [None] * len(parameters)
    values = list(losses.values())
    factors = [
        (weight * scale).to(loss.device, loss.dtype)
        for weight, loss in zip(weights.unbind(), values, strict=True)
    ]
    found = torch.autograd.grad(
        values, parameters, factors, retain_graph=retain_graph, allow_unused=True
    )
    return parameters, found
