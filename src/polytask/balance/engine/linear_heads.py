"""Gradients at features that all heads read by linear layers.

With weights W_k and output gradients D_k, task k has the gradient ``D_k W_k`` at the features, so
two tasks have the inner product ``<D_k^T D_l, W_k W_l^T>``, and the update is one product of all
``w_k D_k`` and W_k side by side.

Shapes: K tasks, N examples, F features of each, O outputs of all heads together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node

from polytask.balance.engine.graph import Graph
from polytask.balance.engine.linear import layer_of
from polytask.balance.engine.rows import row_dtype
from polytask.balance.engine.worth import heads_pay

__all__ = ["Head", "LinearHeads", "linear_heads"]


class Head(NamedTuple):
    """A linear layer that reads the features.

    Args:
        task: its position.
        weight: ``[outputs, F]``.
        node: of the graph; its output is that of the layer.
    """

    task: int
    weight: Tensor
    node: Node


@dataclass
class LinearHeads:
    """The gradients of all tasks at the features.

    Args:
        tasks: position of the task of each head.
        weights: of each head, ``[outputs, F]``.
        outputs: gradients of their outputs, ``[N, outputs]``.
    """

    tasks: Sequence[int]
    weights: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def rows(self, count: int) -> Tensor:
        """``[K, N, F]`` the gradients of ``count`` tasks, float32 at least."""
        dtype, first = row_dtype(self.weights), self.weights[0]
        rows = first.new_zeros(count, len(self.outputs[0]), first.shape[1], dtype=dtype)
        for task, weight, output in zip(self.tasks, self.weights, self.outputs, strict=True):
            rows[task].addmm_(output.to(dtype), weight.to(dtype))
        return rows

    def gramian(self, count: int) -> Tensor:
        """``[K, K]`` inner products, float64: their terms may cancel each other."""
        outputs, weights = torch.cat([*self.outputs], 1).double(), torch.cat([*self.weights])
        terms = (outputs.T @ outputs) * (wide := weights.double()).matmul(wide.T)
        owners = self._owners(outputs.device)
        partly = terms.new_zeros(count, terms.shape[1]).index_add_(0, owners, terms)
        return partly.new_zeros(count, count).index_add_(1, owners, partly)

    def mixed(self, factors: Tensor) -> Tensor:
        """``[N, F]`` the sum of the gradients, each times the factor ``[K]`` of its task.

        In float32 at least.
        """
        outputs = torch.cat([*self.outputs], 1).to(row_dtype(self.weights))
        each = factors.to(outputs)[self._owners(outputs.device)]
        return (outputs * each) @ torch.cat([*self.weights]).to(outputs)

    def _owners(self, device: torch.device) -> Tensor:
        """``[O]`` the position of the task of each output."""
        pairs = zip(self.tasks, self.weights, strict=True)
        owners = [task for task, weight in pairs for _ in range(len(weight))]
        return torch.tensor(owners, device=device)


def linear_heads(graph: Graph, places: Sequence[int], features: Sequence[Tensor]) -> list[Head]:
    """The heads, if all that reads the features is a linear layer and it pays; none otherwise.

    Args:
        graph: of the losses, which have nothing in common past the features.
        places: position of the task of each loss.
        features: the outputs of the shared part.
    """
    if len(features) != 1 or features[0].ndim != 2:
        return []
    heads = []
    for owner, node, place in graph.users(features[0]):
        layer = layer_of(node, graph)
        reads = place == (1 if node.name() == "AddmmBackward0" else 0)
        if layer is None or not reads:
            return []
        heads.append(Head(places[owner], layer[0].detach(), node))
    outputs = sum(len(head.weight) for head in heads)
    examples, width = features[0].shape
    return heads if heads_pay((examples, width), outputs, len(set(places))) else []
