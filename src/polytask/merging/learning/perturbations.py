"""What makes a model change its mind when it is added to every input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging.given import as_list
from polytask.merging.learning.checks import check_count, check_positive
from polytask.merging.learning.experts import Experts, State
from polytask.merging.learning.losses import check_logits

__all__ = ["Perturb", "Perturbations"]

Perturb = Callable[[Any, Tensor], Any]
"""``perturb(batch, perturbation)``: the batch with it added to the input of every row."""


class Perturbations:
    """One perturbation for each task, that is added to all its inputs, and learned.

    Attributes:
        values: task -> perturbation, in float32.

    Args:
        experts: how models are called.
        perturb: how a perturbation is added to a batch.
        shape: of a perturbation.
        rate: of learning.
        device: where perturbations are.

    Raises:
        InputError: the shape or the rate is out of its range.
    """

    def __init__(
        self,
        experts: Experts,
        perturb: Perturb,
        *,
        shape: Sequence[int],
        rate: float,
        device: torch.device | None,
    ) -> None:
        check_positive("perturbation_rate", rate)
        for size in as_list("shape", shape):
            check_count("shape", size, least=1)
        self._experts, self._perturb = experts, perturb
        self.values = {
            task: nn.Parameter(torch.zeros(tuple(shape), device=device)) for task in experts.batches
        }
        self._optimizer = torch.optim.Adam(self.values.values(), lr=rate)

    def step(self, state: State, streams: Mapping[str, Iterator[Any]]) -> None:
        """Raise the cross entropy to what a model says without perturbations, on a batch of each.

        Args:
            state: the model, without gradients.
            streams: task -> its batches; one is taken of each.

        Raises:
            InputError: outputs are no logits, differ in shape with a perturbation, or do not depend
                on it.
        """
        self._optimizer.zero_grad()
        for task, stream in streams.items():
            batch = next(stream)
            with torch.no_grad():
                said = self._experts.call(state, task, batch)
            check_logits(said, task)
            logits = self._experts.call(state, task, self._perturb(batch, self.values[task]))
            _check_shape(logits, said)
            if not logits.requires_grad:
                raise InputError("perturb: outputs do not depend on the perturbation")
            chosen = logits.log_softmax(-1).gather(-1, said.argmax(-1, keepdim=True))
            chosen.mean().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def outputs(self, model: Any, task: str, batch: Any) -> Tensor:
        """``[2, ..., classes]``: outputs without and with a perturbation that gets no gradient.

        Args:
            model: that is called.
            task: that the batch is of.
            batch: without a perturbation.

        Raises:
            InputError: their shapes differ.
        """
        perturbed = self._perturb(batch, self.values[task].detach())
        pair = [self._experts.outputs(model, task, given) for given in (batch, perturbed)]
        _check_shape(pair[1], pair[0])
        return torch.stack(pair)


def _check_shape(perturbed: Tensor, clean: Tensor) -> None:
    if perturbed.shape != clean.shape:
        shapes = f"{list(perturbed.shape)} with a perturbation, {list(clean.shape)} without"
        raise InputError(f"perturb: outputs have the shape {shapes}")
