"""Linear layers whose weight gradients are never computed task by task.

The gradient of a linear layer with input X and output gradient D is ``D^T X`` for the weight and
``D^T 1`` for the bias, so two tasks have the inner product ``<D_k, (X X^T + 1 1^T) D_l>``. Where
there are fewer positions than inputs, this is cheaper than the gradients, and the update needs one
product ``(sum_k w_k D_k)^T X`` in the end.

Shapes: K tasks, N positions (examples times words), I inputs, O outputs of the layer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from polytask.balance.engine.graph import Graph, is_leaf, variable
from polytask.balance.engine.rows import accumulate

__all__ = ["LinearLayer", "linear_layers"]

RIDGE = 1e-13
"""Of the largest eigenvalue: what rounding in float64 may take from a positive matrix."""


@dataclass
class LinearLayer:
    """One use of a linear layer in a graph.

    Args:
        node: of the graph; its output is that of the layer.
        inputs: X ``[N, I]``.
        weight: ``[O, I]``.
        bias: ``[O]`` or None.
        outputs: D ``[N, O]`` per task; None where a task does not use the layer.
    """

    node: Node
    inputs: Tensor
    weight: Tensor
    bias: Tensor | None
    outputs: list[Tensor | None] = field(default_factory=list)

    @property
    def edge(self) -> GradientEdge:
        """What to differentiate for."""
        return GradientEdge(self.node, 0)

    @property
    def parameters(self) -> list[Tensor]:
        """Weight and bias."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def rows(self) -> Tensor:
        """``[K, N * O]`` rows with the inner products of the gradients.

        They are ``R D_k`` with ``R^T R = X X^T + 1 1^T``: the product of two rows stays positive
        semidefinite, and is as exact as that of the gradients themselves.
        """
        outputs = self._stacked()
        root = self._root().to(outputs.dtype)
        return (root @ outputs).flatten(1)

    def accumulate(self, weights: Tensor) -> None:
        """Add the weighted sum of the gradients to ``.grad`` of weight and bias."""
        outputs = self._stacked()
        mixed = torch.tensordot(weights.to(outputs), outputs, dims=1)
        accumulate(self.weight, mixed.T @ self.inputs.to(mixed.dtype))
        if self.bias is not None:
            accumulate(self.bias, mixed.sum(0))

    def _stacked(self) -> Tensor:
        """``[K, N, O]``."""
        empty = self.inputs.new_zeros(len(self.inputs), len(self.weight))
        found = torch.stack([empty if d is None else d.to(empty.dtype) for d in self.outputs])
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def _root(self) -> Tensor:
        """R ``[N, N]``."""
        inputs = self.inputs.double()
        squared = inputs @ inputs.T
        if self.bias is not None:
            squared += 1
        if not torch.isfinite(squared).all():
            return torch.full_like(squared, torch.nan)
        squared.diagonal().add_(RIDGE * squared.diagonal().sum() + torch.finfo(torch.float64).tiny)
        root: Tensor = torch.linalg.cholesky(squared)
        return root.T


def linear_layers(graph: Graph, shared: Collection[int]) -> list[LinearLayer]:
    """The layers of a graph for which this pays: used once, shared as a whole, wider than long.

    None at all where autograd's saved tensors are computed anew at each reading (activation
    checkpointing) or were moved away.

    Args:
        graph: of the losses.
        shared: ``id`` of the shared parameters.
    """
    found = [layer for node in graph.edges if (layer := _layer(node, graph)) is not None]
    pays = [
        layer
        for layer in found
        if all(id(p) in shared and not _watched(p) for p in layer.parameters)
        and len(layer.inputs) < layer.weight.shape[1]
    ]
    return pays if all(_is_kept(layer) for layer in pays) else []


def _layer(node: Any, graph: Graph) -> LinearLayer | None:
    if node.name() == "AddmmBackward0" and node._saved_alpha == node._saved_beta == 1:
        (before, _), _, (after, _) = node.next_functions
        bias = _parameter(before, ("ToCopyBackward0",), graph)
        usable = bias is not None and bias.ndim == 1
    elif node.name() == "MmBackward0":
        _, (after, _) = node.next_functions
        bias, usable = None, True
    else:
        return None
    weight = _parameter(after, ("TBackward0", "ToCopyBackward0"), graph)
    if weight is None or weight.ndim != 2 or not usable:
        return None
    return LinearLayer(node, _inputs(node), weight, bias)


def _inputs(node: Any) -> Tensor:
    saved: Tensor = node._saved_mat1 if node.name() == "AddmmBackward0" else node._saved_self
    return saved.detach()


def _parameter(node: Node | None, through: Sequence[str], graph: Graph) -> Tensor | None:
    """The parameter behind a node, if nothing but these operations is between, each used once."""
    while node is not None and graph.edges[node] == 1:
        if is_leaf(node):
            return variable(node)
        if node.name() not in through:
            return None
        node = node.next_functions[0][0]
    return None


def _watched(parameter: Tensor) -> bool:
    """Whether hooks wait for the gradient of a parameter."""
    return bool(parameter._backward_hooks) or bool(parameter._post_accumulate_grad_hooks)


def _is_kept(layer: LinearLayer) -> bool:
    return _inputs(layer.node).data_ptr() == layer.inputs.data_ptr()
