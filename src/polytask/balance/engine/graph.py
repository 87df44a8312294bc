"""What autograd recorded for the losses of a step, read without computing anything.

Shapes: K losses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node

from polytask.errors import InputError

__all__ = ["Edge", "Graph", "check_node", "is_leaf", "variable"]

Edge = tuple[Node, int]
"""A node and which of its outputs: a place where gradients arrive."""


class Graph:
    """The graphs of K losses: their leaves, and what they have in common.

    A node is visited once when it is first found and once more if several losses lead to it.

    Args:
        losses: task -> scalar that autograd has followed.
        without: outputs of nodes that are not passed.

    Raises:
        InputError: a loss that no parameter leads to, or reentrant activation checkpointing.
    """

    def __init__(self, losses: Sequence[Tensor], *, without: Collection[Edge] = ()) -> None:
        self.edges: dict[Node, int] = {}
        self._ends, ends = frozenset(without), [node for node, _ in without]
        self._owner: dict[Node, int] = dict.fromkeys(ends, -1)
        self.passes_by = False
        """Whether another output of a node that is not passed is used."""
        self._common: dict[Node, None] = {}
        self._own: list[list[Tensor]] = []
        for index, loss in enumerate(losses):
            if loss.grad_fn is None:
                raise InputError(f"loss number {index} was not computed from any parameter")
            if loss.grad_fn in ends and (loss.grad_fn, loss.output_nr) not in self._ends:
                self.passes_by = True
            self._own.append(self._walk(loss.grad_fn, index))
        self._shared = _leaves_behind(self._common, ends)

    @property
    def count(self) -> int:
        """K."""
        return len(self._own)

    @property
    def shares_nodes(self) -> bool:
        """Whether two losses have a computation in common, not only parameters."""
        return not all(is_leaf(node) for node in self._common)

    @property
    def apart(self) -> bool:
        """Whether no two losses have anything in common, neither computations nor parameters."""
        return not self._common

    def users(self, target: Tensor) -> list[tuple[int, Node, int]]:
        """Who uses a computed tensor: number of the loss, node, and which of its inputs it is."""
        return [
            (owner, node, place)
            for node, owner in self._owner.items()
            if owner >= 0
            for place, (nearer, output) in enumerate(node.next_functions)
            if nearer is target.grad_fn and output == target.output_nr
        ]

    def leaves(self, index: int) -> list[Tensor]:
        """The parameters that a loss may depend on: its own, and those that several share."""
        common = {id(leaf) for leaf in self._shared}
        return [*(leaf for leaf in self._own[index] if id(leaf) not in common), *self._shared]

    def all_leaves(self) -> list[Tensor]:
        """The parameters that any loss depends on."""
        return list({id(leaf): leaf for own in self._own for leaf in own}.values())

    def _walk(self, start: Node, index: int) -> list[Tensor]:
        """Visit what was not visited yet; returns the leaves among it."""
        waiting, leaves = [start], []
        while waiting:
            node = waiting.pop()
            self.edges[node] = self.edges.get(node, 0) + 1
            owner = self._owner.setdefault(node, index)
            if owner not in (index, -1):
                self._common[node] = None
            if self.edges[node] > 1 or owner != index:
                continue
            check_node(node)
            if is_leaf(node) and variable(node).requires_grad:
                leaves.append(variable(node))
            for nearer, output in node.next_functions:
                if nearer is not None:
                    waiting.append(nearer)
                    if self._owner.get(nearer) == -1 and (nearer, output) not in self._ends:
                        self.passes_by = True
        return leaves


def check_node(node: Node) -> None:
    """Refuse what cannot be differentiated for some of its inputs alone.

    Raises:
        InputError: reentrant activation checkpointing.
    """
    if node.name() == "CheckpointFunctionBackward":
        raise InputError("balance: checkpoint(..., use_reentrant=False) is what can be balanced")


def is_leaf(node: Node) -> bool:
    """Whether a node stands for a parameter."""
    return node.name().endswith("AccumulateGrad")


def variable(node: Any) -> Tensor:
    """The parameter of a leaf."""
    found: Tensor = node.variable
    return found


def _leaves_behind(nodes: Iterable[Node], ends: Iterable[Node]) -> list[Tensor]:
    """The leaves at and behind these nodes; the ends are not passed."""
    seen = set(ends)
    waiting, found = list(nodes), []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if is_leaf(node) and variable(node).requires_grad:
            found.append(variable(node))
        waiting += [nearer for nearer, _ in node.next_functions if nearer is not None]
    return found
