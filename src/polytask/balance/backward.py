"""One call in place of ``loss.backward()``: many losses, one update.

Shapes: K tasks whose losses a step carries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from polytask.balance.balancer import Balancer, GramianWeighting
from polytask.balance.context import TaskContext
from polytask.balance.engine.features import FeatureGradients
from polytask.balance.engine.last_block import LastBlockGradients
from polytask.balance.engine.measured import Measured
from polytask.balance.engine.processes import Combine, Processes
from polytask.balance.engine.step import Step
from polytask.balance.result import Balanced
from polytask.errors import InputError, unknown

__all__ = ["Cost", "backward"]

Cost = Literal["exact", "features", "last_block"]
"""Where the gradients of the tasks are compared."""


def backward(
    losses: Mapping[str, Tensor],
    balancer: Balancer,
    *,
    shared: Iterable[Tensor],
    own: Mapping[str, Iterable[Tensor]] | None = None,
    features: Tensor | Sequence[Tensor] | None = None,
    last_block: Iterable[Tensor] | None = None,
    cost: Cost = "exact",
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
        features: the output of the shared part, for ``cost="features"``.
        last_block: parameters of the last shared block, for ``cost="last_block"``.
        cost: ``exact`` compares the gradients of all shared parameters; ``features`` those at the
            shared features (the heads are walked task by task, the shared part once);
            ``last_block`` those of the last shared block, then walks the shared part once.
        context: task -> what a loss weighting may know of it.
        scale: factor of the losses, for a gradient scaler: ``scaler.get_scale()``. The balancer
            sees the unscaled losses and gradients, ``.grad`` gets the scaled ones.
        processes: how the gradients of several processes become one: their ``mean``, their ``sum``
            or ``none``. ``.grad`` then holds those of the whole step on every process; compute the
            losses with the module itself, not with a wrapper that reduces gradients too. A shared
            part under ``fully_shard`` works with ``exact`` and ``mean``: every task then has a
            backward pass of its own, also where weights are known.
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
    if cost not in ("exact", "features", "last_block"):
        raise unknown("cost", cost, ("exact", "features", "last_block"), where="backward")
    check_losses(losses, losses)
    together, parameters = Processes(processes), list(shared)
    device = next((p.device for p in parameters), torch.device("cpu"))
    tasks = together.tasks(losses, own, device)
    step = Step(tasks, parameters, own, processes=together, scale=scale)
    values = step.values(losses)
    if step.sharded:
        place: Measured = _shards(step, losses, cost, retain_graph=retain_graph)
        return step.balance(place, balancer, values, context or {}, diagnose=diagnose)
    if not diagnose and not balancer.needs_gradients(values):
        weights = balancer.known_weights(values, context or {})
        return step.weigh(losses, balancer, weights, retain_graph=retain_graph)
    factored = isinstance(balancer, GramianWeighting)
    if cost == "features":
        place = _at_features(step, losses, features, retain_graph=retain_graph)
    elif cost == "last_block":
        block = list(last_block or ())
        place = LastBlockGradients(
            losses, step.tasks, block, step.shared, scale=scale, retain_graph=retain_graph
        )
    else:
        gradients = step.gradients(factored=factored)
        gradients.add(losses, retain_graph=retain_graph)
        place = gradients
    return step.balance(place, balancer, values, context or {}, diagnose=diagnose)


def check_losses(losses: Mapping[str, Tensor], tasks: Collection[str]) -> None:
    """Refuse what cannot be differentiated.

    Raises:
        InputError: a loss that is no scalar, was not computed from any parameter, or is of a task
            that the step does not have.
    """
    for name, loss in losses.items():
        if name not in tasks:
            raise unknown("task", name, tasks, where="balance")
        if loss.ndim:
            shape = tuple(loss.shape)
            raise InputError(f"balance: the loss of {name!r} must be a scalar, got shape {shape}")
        if loss.grad_fn is None:
            raise InputError(f"balance: the loss of {name!r} was not computed from any parameter")


def _shards(
    step: Step, losses: Mapping[str, Tensor], cost: Cost, *, retain_graph: bool
) -> Measured:
    from polytask.balance.engine.sharded import ShardedGradients

    if cost != "exact" or step.processes.factor * step.processes.count != 1:
        raise InputError("balance: sharded parameters need cost='exact' and processes='mean'")
    if not losses:
        raise InputError("balance: with sharded parameters every process needs a loss")
    return ShardedGradients(
        losses,
        step.tasks,
        step.shared,
        step.own,
        scale=step.scale,
        retain_graph=retain_graph,
    )


def _at_features(
    step: Step,
    losses: Mapping[str, Tensor],
    features: Tensor | Sequence[Tensor] | None,
    *,
    retain_graph: bool,
) -> FeatureGradients:
    if features is None:
        raise InputError("cost='features' needs features, the output of the shared part")
    several = [features] if isinstance(features, Tensor) else list(features)
    return FeatureGradients(
        losses, step.tasks, several, step.shared, scale=step.scale, retain_graph=retain_graph
    )
