"""A graph cut into stretches of few parameters, from the losses to the inputs.

Autograd's nodes are walked in an order in which each comes after all that use it; a stretch ends
before its parameters would be more than those of the largest layer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor
from torch.autograd.graph import Node

from polytask.balance.engine.graph import Edge, is_leaf, variable

__all__ = ["Segment", "segments"]

VIEWS = {
    "PermuteBackward0",
    "TBackward0",
    "ToCopyBackward0",
    "TransposeBackward0",
    "UnsafeViewBackward0",
    "ViewBackward0",
}
"""What may stand between a parameter and the layer that uses it."""


@dataclass(eq=False)
class Segment:
    """A stretch of a graph.

    Args:
        parameters: that are used here first.
        nodes: of the stretch.
        exits: where gradients leave it, with the nodes that send them: node, which of its inputs.
    """

    parameters: list[Tensor] = field(default_factory=list)
    nodes: set[Node] = field(default_factory=set)
    exits: dict[Edge, list[tuple[Node, int]]] = field(default_factory=dict)


def segments(
    roots: Sequence[Node], edges: Mapping[Node, int], shared: Collection[int]
) -> list[Segment]:
    """The stretches up to the last of the parameters.

    Args:
        roots: nodes of the losses, one each.
        edges: node -> how often it is used, by other nodes and as a root.
        shared: ``id`` of the parameters.
    """
    layers = _layers(_sorted(roots, edges), shared)
    largest = max((_size(found) for found in layers.values()), default=0)
    parts = [Segment()]
    for node, found in layers.items():
        if found and _size(parts[-1].parameters) + _size(found) > largest:
            parts.append(Segment())
        parts[-1].nodes.add(node)
        parts[-1].parameters += found
    for part in parts[:-1]:
        _find_exits(part)
    return [part for part in parts if part.parameters]


def _sorted(roots: Sequence[Node], edges: Mapping[Node, int]) -> list[Node]:
    """The nodes, each after all that use it."""
    missing, ready, found = dict(edges), list(roots), []
    while ready:
        node = ready.pop()
        missing[node] -= 1
        if not missing[node]:
            found.append(node)
            ready += [child for child, _ in node.next_functions if child is not None]
    return found


def _layers(nodes: Sequence[Node], shared: Collection[int]) -> dict[Node, list[Tensor]]:
    """Node -> the parameters that it is the first to use."""
    seen: set[int] = set()
    layers: dict[Node, list[Tensor]] = {}
    for node in nodes:
        layers[node] = []
        for child, _ in node.next_functions:
            leaf = _leaf(child)
            if leaf is not None and id(leaf) in shared and id(leaf) not in seen:
                seen.add(id(leaf))
                layers[node].append(leaf)
    return layers


def _find_exits(part: Segment) -> None:
    for node in part.nodes:
        for place, (child, output) in enumerate(node.next_functions):
            if child is not None and child not in part.nodes and _leaf(child) is None:
                part.exits.setdefault((child, output), []).append((node, place))


def _leaf(node: Node | None) -> Tensor | None:
    """The parameter behind a node, if it is nothing but a view or copy of one."""
    while node is not None and not is_leaf(node):
        node = node.next_functions[0][0] if node.name() in VIEWS else None
    return None if node is None else variable(node)


def _size(parameters: Sequence[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)
