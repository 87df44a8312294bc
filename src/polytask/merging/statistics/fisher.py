"""The diagonal of the Fisher information of a model, on data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from polytask.errors import InputError, unknown
from polytask.merging.engine.finite import all_finite
from polytask.merging.engine.treatment import treatment
from polytask.merging.statistics.running import Forward, call, checked, evaluating
from polytask.merging.statistics.statistics import Statistics

__all__ = ["Labels", "collect_fisher"]

Labels = Literal["expected", "sampled", "given"]
"""``expected``: the mean over all classes, by the model's own probabilities. ``sampled``: one class
for each example, drawn by them. ``given``: those of the data (the empirical Fisher information)."""


def collect_fisher(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    forward: Forward = call,
    labels: Labels = "expected",
    seed: int = 0,
) -> Statistics:
    """Measure how much the predictions of a model depend on each of its weights.

    The mean over examples x of E_y (d log p(y | x) / d theta)^2, for each weight theta alone. There
    is one backward pass for each example, and for ``expected`` each class of it. Each goes through
    the graph of the whole batch: batches of one example are the fastest.

    Source: Matena and Raffel, "Merging Models with Fisher-Weighted Averaging", 2022, whose code has
    ``expected`` for classes.

    Args:
        model: any module, run in evaluation mode.
        batches: what ``forward`` takes, some hundred examples of the task in all.
        forward: by default ``model(batch)``. It returns logits, ``[examples, classes]``; with
            labels ``given`` the loss of each example instead, ``[examples]``: the negative
            logarithm of its likelihood.
        labels: over which the mean is taken.
        seed: of the classes that are drawn.

    Returns:
        One tensor for each parameter that is no integer, in float32 or wider; zeros for
        floating-point buffers and what the predictions do not depend on.

    Raises:
        InputError: there is no batch, ``forward`` returns something else, or a derivative is NaN or
            infinite.

    Example:
        >>> model = nn.Linear(1, 2, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> collect_fisher(model, [torch.tensor([[3.0]])]).tensors["weight"]
        tensor([[2.2500],
                [2.2500]])
    """
    if labels not in get_args(Labels):
        raise unknown("labels", labels, get_args(Labels))
    generator, examples = torch.Generator().manual_seed(seed), 0
    with evaluating(model, batches) as given, _differentiable(model) as weights:
        squares = {name: _zeros(weight) for name, weight in weights.items()}
        for batch in given:
            values, shares = _terms(forward(model, batch), labels, generator)
            examples += len(values)
            for index in shares.nonzero().tolist():
                _add(squares, _gradients(values, index, weights), float(shares[tuple(index)]))
    found = {name: (square / examples).cpu() for name, square in squares.items()}
    return checked(Statistics(kind="fisher", tensors=found | _buffers(model), examples=examples))


def _terms(output: Any, labels: Labels, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The numbers to differentiate, ``[examples, classes or 1]``, and how much each counts."""
    dimensions = 1 if labels == "given" else 2
    if not isinstance(output, Tensor) or output.dim() != dimensions:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        wanted = "a loss for each example" if dimensions == 1 else "logits, [examples, classes]"
        raise InputError(f"forward: expected {wanted}, got {found}")
    if not output.requires_grad:
        raise InputError("forward: what it returns has no gradient; call the model with gradients")
    if labels == "given":
        return output[:, None], torch.ones(len(output), 1)
    if output.shape[1] < 2:
        raise InputError(
            "forward: one logit has no classes to take the mean over; give the losses of examples, "
            "with labels='given'"
        )
    if not all_finite(output):
        raise InputError("forward: logits are NaN or infinite")
    logs = output.log_softmax(-1)
    shares = logs.detach().double().exp().cpu()
    if labels == "sampled":
        drawn = torch.multinomial(shares, 1, generator=generator)
        shares = torch.zeros_like(shares).scatter_(1, drawn, 1.0)
    return logs, shares


def _gradients(
    values: Tensor, index: Sequence[int], weights: Mapping[str, Tensor]
) -> Sequence[Tensor | None]:
    """The derivatives of one number by all weights; None where it does not depend on one."""
    chosen = torch.zeros_like(values)
    chosen[tuple(index)] = 1
    return torch.autograd.grad(
        values, list(weights.values()), chosen, retain_graph=True, allow_unused=True
    )


def _add(squares: Mapping[str, Tensor], gradients: Sequence[Tensor | None], share: float) -> None:
    for square, gradient in zip(squares.values(), gradients, strict=True):
        if gradient is not None:
            gradient = gradient.to(square)
            square.addcmul_(gradient, gradient, value=share)


@contextmanager
def _differentiable(model: nn.Module) -> Iterator[Mapping[str, nn.Parameter]]:
    """The parameters that are no integers, all with gradients; afterwards those that had some."""
    weights = {n: weight for n, weight in model.named_parameters() if weight.is_floating_point()}
    before = {name: weight.requires_grad for name, weight in weights.items()}
    try:
        for weight in weights.values():
            weight.requires_grad_()
        with torch.enable_grad():
            yield weights
    finally:
        for name, weight in weights.items():
            weight.requires_grad_(before[name])


def _zeros(like: Tensor) -> Tensor:
    return torch.zeros_like(like, dtype=torch.promote_types(like.dtype, torch.float32))


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    """Zeros for the buffers that are merged like weights."""
    kept = model.state_dict()
    return {
        name: _zeros(buffer).cpu()
        for name, buffer in model.named_buffers()
        if name in kept and treatment(name, buffer.dtype) == "merge"
    }
