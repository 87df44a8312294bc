"""What lies below the shared features."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from torch import Tensor

from polytask.balance.engine.graph import Edge, check_node, is_leaf, variable

__all__ = ["Below", "below"]


class Below(NamedTuple):
    """The shared part as autograd recorded it.

    Args:
        leaves: what the features were computed from.
        nested: whether one feature was computed from another.
    """

    leaves: list[Tensor]
    nested: bool


def below(features: Collection[Edge]) -> Below:
    """Walk down from features.

    Raises:
        InputError: reentrant activation checkpointing.
    """
    ends = {node for node, _ in features}
    waiting, seen, leaves, nested = list(ends), set(), [], False
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        check_node(node)
        if is_leaf(node) and variable(node).requires_grad:
            leaves.append(variable(node))
        nearer = [found for found, _ in node.next_functions if found is not None]
        nested = nested or not ends.isdisjoint(nearer)
        waiting += nearer
    return Below(leaves, nested)
