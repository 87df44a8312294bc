"""What a balanced step refuses.

Each check raises `InputError` with what to do instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, get_args

from torch import Tensor, nn

from polytask.balance.balancer import Balancer, GradientAggregator, GradientBalancer
from polytask.errors import InputError, unknown

__all__ = [
    "Cost",
    "Memory",
    "check_batches",
    "check_cost",
    "check_grouping",
    "check_losses",
    "check_memory",
    "check_shards",
    "lists_in",
    "parameters_in",
]

Cost = Literal["exact", "features", "last_block"]
"""Where the gradients of the tasks are compared."""
Memory = Literal["normal", "low"]
"""Whether the gradients of all tasks are kept at a time."""


def check_losses(losses: Mapping[str, Tensor], tasks: Collection[str]) -> None:
    """Refuse what cannot be differentiated.

    Raises:
        InputError: what maps no tasks, a loss that is no scalar, was not computed from any
            parameter, or is of a task that the step does not have.
    """
    if not isinstance(losses, Mapping):
        kind = type(losses).__name__
        raise InputError(f"balance: losses must map tasks to scalar tensors, got {kind}")
    for name, loss in losses.items():
        if name not in tasks:
            raise unknown("task", name, tasks, where="balance")
        if not isinstance(loss, Tensor):
            kind = type(loss).__name__
            raise InputError(f"balance: the loss of {name!r} must be a scalar tensor, got {kind}")
        if loss.ndim:
            shape = tuple(loss.shape)
            raise InputError(f"balance: the loss of {name!r} must be a scalar, got shape {shape}")
        if loss.grad_fn is None:
            raise InputError(f"balance: the loss of {name!r} was not computed from any parameter")


def parameters_in(shared: Iterable[Tensor]) -> list[Tensor]:
    """The shared parameters as a list.

    Raises:
        InputError: a module or one tensor, or something in it that is no tensor.
    """
    if isinstance(shared, nn.Module | Tensor | Mapping):
        kind = type(shared).__name__
        raise InputError(f"shared must be several parameters, as of parameters(), got {kind}")
    found = list(shared)
    for each in found:
        if not isinstance(each, Tensor):
            raise InputError(f"shared must be parameters alone, got {type(each).__name__} in it")
    return found


def lists_in(own: Mapping[str, Iterable[Tensor]] | None) -> dict[str, list[Tensor]] | None:
    """Task -> its parameters as a list."""
    return None if own is None else {name: list(found) for name, found in own.items()}


def check_cost(cost: str, balancer: Balancer) -> None:
    """Refuse a cost that there is not, or that a method cannot use.

    Raises:
        InputError: such a cost.
    """
    if cost not in get_args(Cost):
        raise unknown("cost", cost, get_args(Cost), where="balance")
    if cost != "exact" and isinstance(balancer, GradientAggregator) and balancer.follows:
        method = type(balancer).__name__
        raise InputError(f"cost={cost!r}: {method} follows parameters' gradients; use cost='exact'")


def check_memory(memory: str, balancer: Balancer, *, cost: Cost) -> None:
    """Refuse low memory where it cannot be.

    Raises:
        InputError: an unknown word, a method that sees the gradients themselves, or another cost
            than ``exact``.
    """
    if memory not in get_args(Memory):
        raise unknown("memory", memory, get_args(Memory), where="balance")
    if memory == "low" and isinstance(balancer, GradientAggregator):
        method = type(balancer).__name__
        raise InputError(f"memory='low': {method} needs all gradients at a time; leave memory out")
    if memory == "low" and cost != "exact":
        raise InputError(f"memory='low': cost={cost!r} keeps few gradients already; leave it out")


def check_grouping(balancer: Balancer, *, cost: str = "exact") -> None:
    """Refuse to balance groups apart where that makes no difference or has no meaning.

    Raises:
        InputError: a method that sees losses alone or follows those of validation, or gradients
            that are compared at one place.
    """
    method = type(balancer).__name__
    if cost != "exact":
        raise InputError(f"groups: cost={cost!r} compares gradients at one place; use cost='exact'")
    if not isinstance(balancer, GradientBalancer):
        raise InputError(f"groups: {method} sees losses alone, so its weights fit every group")
    if balancer.observes:
        raise InputError(f"groups: {method} follows validation losses, which no group has")


def check_batches(
    balancer: Balancer,
    independent: Collection[Mapping[str, Tensor]] | None,
    *,
    cost: str = "exact",
    memory: str = "normal",
) -> None:
    """Refuse independent batches where they mean nothing, or are compared at the wrong place.

    Raises:
        InputError: a method that compares gradients of one batch, not two batches, or a cost or
            memory that they cannot have.
    """
    method = type(balancer).__name__
    if independent is not None and not balancer.independent:
        raise InputError(f"independent: {method} compares gradients of one batch; leave it out")
    if independent is not None and len(independent) != 2:
        raise InputError(
            f"independent: give the losses of two more batches, not {len(independent)}"
        )
    if balancer.independent and (cost != "exact" or memory != "normal"):
        raise InputError(f"{method}: independent batches need cost='exact' and memory='normal'")


def check_shards(*, cost: str, memory: str) -> None:
    """Refuse what a shared part under ``fully_shard`` cannot have.

    Raises:
        InputError: gradients of the last block, or low memory.
    """
    if cost == "last_block":
        raise InputError(f"cost={cost!r}: fully_shard cuts the block up; use cost='features'")
    if memory != "normal":
        raise InputError(f"memory={memory!r}: fully_shard keeps shards alone; leave memory out")
