"""Gradient steps on what a merge is made of: coefficients, masks, small layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from polytask.errors import InputError
from polytask.merging.learning.experts import Experts, State

__all__ = ["Loss", "Own", "backward", "learn"]

Loss = Callable[[Tensor, str, Any], Tensor]
"""``loss(outputs, task, batch)``: a number for the whole batch."""
Own = Callable[[str], State]
"""Task -> tensors that it has for itself, in the place of those of the merged model."""


def _nothing(task: str) -> State:
    """No tensor of its own for any task."""
    return {}


def learn(
    experts: Experts,
    merged: Callable[[], State],
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    schedule: LRScheduler | None = None,
    largest: float = math.inf,
    own: Own = _nothing,
) -> list[float]:
    """Steps, each on the sum of the losses of one batch of every task.

    Args:
        experts: the models and their batches.
        merged: makes the model of the parameters of the optimizer, anew in each step.
        loss: of what the merged model returns.
        optimizer: of what is learned.
        steps: how many.
        schedule: of the rate of the optimizer.
        largest: norm of all gradients together.
        own: what tasks do not share, made of parameters of the optimizer.

    Returns:
        The sum of the losses before each step.

    Raises:
        InputError: there are no batches, or a loss is no tensor, no number or not finite, or does
            not depend on what is learned.
    """
    streams = {task: experts.endless(task) for task in experts.batches}
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    found = []
    with experts.evaluating(), torch.enable_grad():
        for _ in range(steps):
            optimizer.zero_grad()
            found.append(backward(experts, merged(), loss, streams, own=own, learned=parameters))
            nn.utils.clip_grad_norm_(parameters, largest)
            optimizer.step()
            if schedule is not None:
                schedule.step()
    return found


def backward(
    experts: Experts,
    state: State,
    loss: Loss,
    streams: Mapping[str, Iterator[Any]],
    *,
    own: Own = _nothing,
    learned: Sequence[Tensor] = (),
) -> float:
    """Add the gradients of the summed losses of all tasks to what a model is made of.

    Every task is walked back by itself, so only the activations of one batch are in memory; what
    the model is made of is walked back once.

    Args:
        experts: how the model is called.
        state: the model.
        loss: of a task.
        streams: task -> its batches; one is taken of each.
        own: what tasks do not share.
        learned: what else the losses may depend on. Gradients of nothing but these and what the
            model is made of are computed.

    Returns:
        The sum of the losses.

    Raises:
        InputError: a loss is no number, or not finite, or does not depend on what is learned.
    """
    leaves = {n: value.detach().requires_grad_(value.requires_grad) for n, value in state.items()}
    wanted = [*(leaf for leaf in leaves.values() if leaf.requires_grad), *learned]
    total = 0.0
    for task, stream in streams.items():
        batch = next(stream)
        value = loss(experts.call({**leaves, **own(task)}, task, batch), task, batch)
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise InputError(
                f"loss of task {task!r}: returned {kind}, not a tensor with a gradient"
            )
        if value.numel() != 1 or not bool(value.isfinite()):
            raise InputError(f"loss of task {task!r}: is no finite number: {value}")
        _differentiate(value, wanted, task)
        total += float(value.detach())
    pairs = [(state[n], leaf.grad) for n, leaf in leaves.items() if leaf.grad is not None]
    torch.autograd.backward([made for made, _ in pairs], [grad for _, grad in pairs])
    return total


def _differentiate(value: Tensor, wanted: Sequence[Tensor], task: str) -> None:
    """Add the gradients of a loss to ``.grad`` of some tensors, and of nothing else.

    Raises:
        InputError: it depends on none of them.
    """
    gradients: Sequence[Tensor | None] = [None]
    if value.requires_grad:
        gradients = torch.autograd.grad(value, wanted, allow_unused=True)
    if all(gradient is None for gradient in gradients):
        raise InputError(
            f"task {task!r}: its loss does not depend on the weights that are learned; outputs "
            "must call the model that it is given, with gradients"
        )
    for tensor, gradient in zip(wanted, gradients, strict=True):
        if gradient is not None:
            tensor.grad = gradient if tensor.grad is None else tensor.grad + gradient
