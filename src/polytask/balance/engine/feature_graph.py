"""The graph between the shared features and the losses, and what may not be in it.

Shapes: K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polytask.balance.engine.graph import Edge, Graph
from polytask.errors import InputError

if TYPE_CHECKING:
    from polytask.balance.engine.shards import Shards

__all__ = ["check_heads", "check_nothing_past", "check_places", "edges_of", "graph_of_heads"]


def edges_of(features: Sequence[Tensor]) -> dict[Edge, Tensor]:
    """The places where gradients arrive at the features, each once."""
    found = {}
    for feature in features:
        if not isinstance(feature, Tensor):
            raise InputError(f"features must be a tensor or several, got {type(feature).__name__}")
        if feature.grad_fn is None:
            raise InputError("features must be computed from the shared parameters, undetached")
        found[feature.grad_fn, feature.output_nr] = feature
    if not found:
        raise InputError("features: there is none")
    return found


def graph_of_heads(losses: Mapping[str, Tensor], ends: Sequence[Edge]) -> Graph:
    """The graph of the heads."""
    for name, loss in losses.items():
        if (loss.grad_fn, loss.output_nr) in ends:
            raise InputError(
                f"cost='features': the loss of {name!r} is one of the features; give what it is "
                "computed from"
            )
    graph = Graph(list(losses.values()), without=ends)
    if graph.passes_by:
        raise InputError(
            "cost='features': a loss uses an output of the shared part that is not given; give all "
            "that the heads use"
        )
    return graph


def check_nothing_past(graph: Graph, leaves: Sequence[Tensor], shared: Sequence[Tensor]) -> None:
    """Refuse leaves that reach a loss past the features, and features of other parameters."""
    ids = {id(parameter) for parameter in shared}
    if ids.isdisjoint(id(leaf) for leaf in leaves):
        raise InputError("cost='features': the features do not depend on any shared parameter")
    ids |= {id(leaf) for leaf in leaves}
    past = [tuple(leaf.shape) for leaf in graph.all_leaves() if id(leaf) in ids]
    if past:
        raise InputError(
            f"cost='features': {len(past)} parameters, with shapes {past[:3]}, are shared or below "
            "the features and reach a loss past them; give the last shared features"
        )


def check_heads(graph: Graph, own: Sequence[Tensor]) -> None:
    """Refuse leaves past the features that are no parameters of tasks; shards hide what they are.

    Raises:
        InputError: such a leaf.
    """
    ids = {id(parameter) for parameter in own}
    past = [tuple(leaf.shape) for leaf in graph.all_leaves() if id(leaf) not in ids]
    if past:
        raise InputError(
            f"cost='features': {len(past)} parameters, with shapes {past[:3]}, reach a loss past "
            "the features and are not in own; give the last shared features, and list parameters "
            "before the forward pass"
        )


def check_places(
    losses: Mapping[str, Tensor],
    tasks: Sequence[str],
    features: Sequence[Tensor],
    shards: Shards,
) -> None:
    """Refuse absent tasks where passes may go to one feature or another.

    Raises:
        InputError: on all processes.
    """
    absent = len(features) > 1 and len(losses) < len(tasks)
    if shards.add_up(torch.tensor(float(absent))):
        raise InputError(
            "cost='features': a task is absent on a process; with several features under "
            "fully_shard every process needs a loss of each task"
        )
