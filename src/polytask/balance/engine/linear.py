"""Uses of linear layers in a graph, for which weight gradients need not be computed task by task.

Shapes: N positions (examples times words), I inputs, O outputs of the layer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from polytask.balance.engine.graph import Graph, is_leaf, variable

__all__ = ["LinearUse", "layer_of", "linear_uses"]


@dataclass(frozen=True)
class LinearUse:
    """One use of a linear layer.

    Args:
        node: of the graph; its output is that of the layer.
        inputs: X ``[N, I]``.
        weight: ``[O, I]``.
        bias: ``[O]`` or None.
    """

    node: Node
    inputs: Tensor
    weight: Tensor
    bias: Tensor | None

    @property
    def parameters(self) -> list[Tensor]:
        """Weight and bias."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    @property
    def reads_data(self) -> bool:
        """Whether the inputs were not computed from parameters."""
        place = 1 if self.node.name() == "AddmmBackward0" else 0
        return self.node.next_functions[place][0] is None


def linear_uses(graph: Graph, shared: Collection[int]) -> dict[int, list[LinearUse]]:
    """``id`` of a weight -> its uses, for layers that are shared as a whole and used as such only.

    None at all where autograd's saved tensors are computed anew at each reading (activation
    checkpointing) or were moved away.

    Args:
        graph: of the losses.
        shared: ``id`` of the shared parameters.
    """
    found: dict[int, list[LinearUse]] = {}
    for node in graph.edges:
        layer = layer_of(node, graph)
        if layer is None:
            continue
        use = LinearUse(node, _inputs(node), *layer)
        known = all(id(p) in shared and not _watched(p) for p in use.parameters)
        if known and use.inputs.layout == torch.strided:
            found.setdefault(id(use.weight), []).append(use)
    times = {id(variable(node)): count for node, count in graph.edges.items() if is_leaf(node)}
    whole = {
        key: uses
        for key, uses in found.items()
        if all(times[id(p)] == len(uses) for use in uses for p in use.parameters)
    }
    return whole if all(_is_kept(use) for uses in whole.values() for use in uses) else {}


def layer_of(node: Any, graph: Graph) -> tuple[Tensor, Tensor | None] | None:
    """Weight ``[O, I]`` and bias of the linear layer that a node is; None if it is none."""
    if node.name() == "AddmmBackward0" and node._saved_alpha == node._saved_beta == 1:
        (before, _), _, (after, _) = node.next_functions
        bias = _parameter(before, graph, turned=False)
        usable = bias is not None
    elif node.name() == "MmBackward0":
        _, (after, _) = node.next_functions
        bias, usable = None, True
    else:
        return None
    weight = _parameter(after, graph, turned=True)
    if weight is None or weight.ndim != 2 or not usable:
        return None
    return (weight, bias) if bias is None or bias.shape == weight.shape[:1] else None


def _inputs(node: Any) -> Tensor:
    saved: Tensor = node._saved_mat1 if node.name() == "AddmmBackward0" else node._saved_self
    return saved.detach()


def _parameter(node: Node | None, graph: Graph, *, turned: bool) -> Tensor | None:
    """The parameter behind a node, if nothing but a change of type is between, each used once.

    Args:
        node: where to start.
        graph: of the losses.
        turned: one transposition must be between, too.
    """
    while node is not None:
        if is_leaf(node):
            return None if turned else variable(node)
        if graph.edges[node] != 1:
            return None
        if node.name() == "TBackward0" and turned:
            turned = False
        elif node.name() != "ToCopyBackward0":
            return None
        node = node.next_functions[0][0]
    return None


def _watched(parameter: Tensor) -> bool:
    """Whether hooks wait for the gradient of a parameter."""
    return bool(parameter._backward_hooks) or bool(parameter._post_accumulate_grad_hooks)


def _is_kept(use: LinearUse) -> bool:
    return _inputs(use.node).data_ptr() == use.inputs.data_ptr()
