"""Ways through a balanced step that end with a backward pass of known weights.

Shapes: K tasks of the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor
from torch.autograd.graph import Node

from polytask.balance.context import TaskContext
from polytask.balance.engine.checks import check_losses
from polytask.balance.engine.graph import Graph, is_leaf
from polytask.balance.engine.independent import cross_gramians
from polytask.balance.engine.measured import Measured
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.step import Step
from polytask.balance.engine.streamed import streamed_gramians
from polytask.balance.engine.weighted import each, of_sum
from polytask.balance.result import Balanced
from polytask.errors import InputError

__all__ = ["follow", "stream", "weigh"]


def stream(
    step: Step,
    losses: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
    context: Mapping[str, TaskContext],
    *,
    retain_graph: bool,
) -> Balanced:
    """Gramians layer by layer, then a backward pass of the weights that follow."""
    gramians = streamed_gramians(losses, step.tasks, step.parts, step.processes, scale=step.scale)
    weights = step.weights(gramians, values, context)
    return weigh(step, losses, weights, gramians, retain_graph=retain_graph)


def follow(
    step: Step,
    batches: Sequence[Mapping[str, Tensor]] | None,
    losses: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
    context: Mapping[str, TaskContext],
    *,
    retain_graph: bool,
) -> Balanced:
    """A backward pass of the weights that follow from independent batches.

    The state is put back if gradients overflow, which is seen when the weights are known.

    Raises:
        InputError: there are no such batches, they share a computation, or a loss cannot be
            differentiated.
    """
    if batches is None:
        method = type(step.balancer).__name__
        raise InputError(f"{method}: give independent, the losses of two more batches")
    for batch in batches:
        check_losses(batch, step.tasks)
    _check_apart([*batches, losses])
    before = deepcopy(step.balancer.state_dict())
    gramians = cross_gramians(step, batches)
    weights = step.weights(gramians, values, context)
    balanced = weigh(step, losses, weights, gramians, retain_graph=retain_graph)
    if not step.has_finite_gradients():
        step.balancer.load_state_dict(before)
    return balanced


def _check_apart(batches: Sequence[Mapping[str, Tensor]]) -> None:
    """Refuse batches of the same rows.

    Raises:
        InputError: two of them share a computation.
    """
    seen: set[Node] = set()
    for batch in batches:
        nodes = {node for node in Graph(list(batch.values())).edges if not is_leaf(node)}
        if not seen.isdisjoint(nodes):
            raise InputError(
                "independent: two of the three batches share a computation; compute each from rows "
                "of its own"
            )
        seen |= nodes


def weigh(
    step: Step,
    losses: Mapping[str, Tensor],
    weights: Sequence[Tensor],
    gramians: Sequence[Tensor] | None = None,
    *,
    retain_graph: bool,
) -> Balanced:
    """One backward pass for all groups whose weights ``[K]``, which are known, are the same.

    In shards that is one pass, or one per task where weights differ, tasks' parameters have none or
    a process lacks a task.
    """
    weights = [step.processes.agree(found, step.device) for found in weights]
    if step.shards is not None:
        return _weigh_shards(step, losses, weights, gramians, retain_graph=retain_graph)
    pending, graph = Pending(), Graph(list(losses.values()))
    passes: dict[tuple[float, ...], list[Tensor]] = {}
    for found, group in zip(weights, step.parts, strict=True):
        passes.setdefault(tuple(found.tolist()), []).extend(group)
    if step.balancer.weighs_tasks and len(passes) == 1:
        ids = {id(parameter) for parameter in step.shared}
        parameters = next(iter(passes.values()))
        parameters += [leaf for leaf in graph.all_leaves() if id(leaf) not in ids]
    else:
        for name, gradients in each(losses, graph, step.shared, scale=step.scale).items():
            pending.add(*gradients, task=step.tasks.index(name))
    places = [step.tasks.index(name) for name in losses]
    for number, (factors, parameters) in enumerate(passes.items()):
        here = torch.tensor(factors, dtype=torch.float64)[places]
        keep = retain_graph or number < len(passes) - 1
        pending.add(*of_sum(losses, here, parameters, scale=step.scale, retain_graph=keep))
    return step.finish(pending, weights, gramians, weights)


def _weigh_shards(
    step: Step,
    losses: Mapping[str, Tensor],
    weights: Sequence[Tensor],
    gramians: Sequence[Tensor] | None,
    *,
    retain_graph: bool,
) -> Balanced:
    from polytask.balance.engine.sharded_tasks import differentiate_sum, tasks_of_all

    assert step.shards is not None
    _, lacking = tasks_of_all(losses, step.tasks, step.own, step.shards)
    same = all(torch.equal(found, weights[0]) for found in weights)
    if same and step.balancer.weighs_tasks and not lacking:
        pending = differentiate_sum(
            losses,
            step.tasks,
            weights[0],
            step.own,
            scale=step.scale,
            retain_graph=retain_graph,
        )
        return step.finish(pending, weights, gramians, weights)
    gradients = step.gradients()
    gradients.add(losses, retain_graph=retain_graph)
    places: Sequence[Measured] = gradients.groups
    for place, found in zip(places, weights, strict=True):
        place.apply(found)
    return step.finish(gradients.pending, weights, gramians, weights)
