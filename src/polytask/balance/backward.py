"""One call in place of ``loss.backward()``: many losses, one update.

Shapes: K tasks whose losses a step carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from polytask.balance.balancer import Balancer
from polytask.balance.context import TaskContext
from polytask.balance.engine.checks import (
    Cost,
    Memory,
    check_batches,
    check_cost,
    check_grouping,
    check_losses,
    check_memory,
    check_shards,
    lists_in,
    parameters_in,
)
from polytask.balance.engine.cut import is_sharded
from polytask.balance.engine.places import differentiate_at
from polytask.balance.engine.precision import without_autocast
from polytask.balance.engine.processes import Combine, Processes
from polytask.balance.engine.step import Step
from polytask.balance.engine.update import update
from polytask.balance.engine.ways import follow, stream, weigh
from polytask.balance.result import Balanced

__all__ = ["Cost", "Memory", "backward"]


@without_autocast
def backward(
    losses: Mapping[str, Tensor],
    balancer: Balancer,
    *,
    shared: Iterable[Tensor],
    own: Mapping[str, Iterable[Tensor]] | None = None,
    groups: Mapping[str, Iterable[Tensor]] | None = None,
    features: Tensor | Sequence[Tensor] | None = None,
    last_block: Iterable[Tensor] | None = None,
    cost: Cost = "exact",
    memory: Memory = "normal",
    independent: Iterable[Mapping[str, Tensor]] | None = None,
    context: Mapping[str, TaskContext] | None = None,
    scale: float = 1.0,
    processes: Combine = "mean",
    retain_graph: bool = False,
    diagnose: bool = False,
) -> Balanced:
    """Differentiate the losses and add one balanced update to ``.grad``.

    Parameters that are not shared get the plain or the weighted gradient of their own task,
    whichever the balancer's paper does. With one task in the step every method that looks at
    gradients is ordinary training.

    Args:
        losses: task -> scalar loss, of any subset of the tasks; not stacked beforehand.
        balancer: the method.
        shared: the shared parameters; those that are frozen are passed over.
        own: task -> its parameters, for all tasks in the same order on every process. Needed with
            several processes only; otherwise they are found in the graph.
        groups: name -> shared parameters (layers, blocks) whose gradients are compared by
            themselves, with weights and a state of the balancer of their own; the shared parameters
            that are left over are one more group, ``rest``. Needs a method that looks at gradients
            and ``cost="exact"``. The weighted gradient of a task's own parameters has the mean of
            the groups' weights. A step of known weights, which differ by group, has as many
            backward passes as there are different ones, or tasks if these are fewer.
        features: the output of the shared part, for ``cost="features"``; all that they were
            computed from gets the weighted update, in ``shared`` or not.
        last_block: parameters of the last shared block, for ``cost="last_block"``.
        cost: ``exact`` compares the gradients of all shared parameters; ``features`` those at the
            shared features (the heads are walked task by task, the shared part once);
            ``last_block`` those of the last shared block, then walks the shared part once.
        memory: of ``cost="exact"``, beyond activations, with P numbers of shared parameters:
            ``normal`` holds K + 1 times P at most; ``low`` holds P, and K gradients of the largest
            layer and of the activations between two layers. It walks layer by layer, with one more
            backward pass in the end (one per group), and needs a method that gives weights.
        independent: the losses of two more batches, for methods (`MoDo`, `SDMGrad`) whose weights
            follow from inner products between the gradients of one and those of the other. They
            are differentiated for that alone; not needed where weights are known.
        context: task -> what a loss weighting may know of it.
        scale: factor of the losses, for a gradient scaler: ``scaler.get_scale()``. The balancer
            sees the unscaled losses and gradients, ``.grad`` gets the scaled ones.
        processes: how the gradients of several processes become one: their ``mean``, their ``sum``
            or ``none``. ``.grad`` then holds those of the whole step on every process; compute the
            losses with the module itself, not with a wrapper that reduces gradients too. A shared
            part under ``fully_shard`` works with ``mean``, and not with ``last_block``; with
            ``exact`` every task has a backward pass of its own then, unless known weights are those
            of its own parameters, too.
        retain_graph: as in ``loss.backward()``.
        diagnose: find the Gramian even if the balancer does not need it.

    Returns:
        Weights and, where they were found, the Gramian and its diagnostics.

    Raises:
        InputError: no losses, a loss that is no scalar or was not computed from parameters, a cost
            without what it needs, or one that the balancer cannot use.

    Example:
        >>> import torch
        >>> from polytask import balance
        >>> trunk, heads = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)
        >>> y = heads(trunk(torch.ones(3, 4)).tanh())
        >>> losses = {"a": y[:, 0].square().mean(), "b": (y[:, 1] - 1).square().mean()}
        >>> info = balance.backward(losses, balance.MGDA(), shared=trunk.parameters())
        >>> round(float(info.weights.sum()), 6)
        1.0
    """
    check_losses(losses, losses)
    check_cost(cost, balancer)
    check_memory(memory, balancer, cost=cost)
    batches = None if independent is None else list(independent)
    check_batches(balancer, batches, cost=cost, memory=memory)
    if groups:
        check_grouping(balancer, cost=cost)
    together, parameters, owned = Processes(processes), parameters_in(shared), lists_in(own)
    if is_sharded(parameters):
        check_shards(cost=cost, memory=memory)
    device = next((p.device for p in parameters), torch.device("cpu"))
    tasks = together.tasks(losses, owned, device)
    step = Step(
        tasks, parameters, owned, balancer=balancer, groups=groups, processes=together, scale=scale
    )
    values, about = step.values(losses), context or {}
    if not diagnose:
        weights = step.known_weights(values, about)
        if weights is not None:
            return weigh(step, losses, weights, retain_graph=retain_graph)
    if balancer.independent and step.needs_gradients(values):
        return follow(step, batches, losses, values, about, retain_graph=retain_graph)
    if memory == "low":
        return stream(step, losses, values, about, retain_graph=retain_graph)
    places, pending = differentiate_at(
        cost, step, losses, features=features, last_block=last_block, retain_graph=retain_graph
    )
    return update(step, places, pending, values, about, diagnose=diagnose)
