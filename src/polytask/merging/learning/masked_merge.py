"""Task vectors behind one mask, and how mask and coefficients are learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.learning.changes import Changes, detached
from polytask.merging.learning.checks import check_count, check_number, check_positive
from polytask.merging.learning.coefficients import Coefficients
from polytask.merging.learning.experts import Experts
from polytask.merging.learning.inner_level import InnerLevel
from polytask.merging.learning.masked import Masked
from polytask.merging.learning.masks import ConcreteMask, rescaled
from polytask.merging.learning.training import Loss, backward, learn

__all__ = ["MaskedMerge"]


class MaskedMerge:
    """theta_0 + m / mean(m) * sum_k lambda_k tau_k, with one mask m for all tasks.

    Attributes:
        streams: task -> its batches.

    Args:
        experts: the models, and unlabelled batches of each.
        changes: their task vectors.
        mask: of these.
        scale: every lambda_k, or where it starts.
        inner: how coefficients adapt to a mask; None leaves them alone.
        loss: that coefficients lower.

    Raises:
        InputError: a task has no batches or no model, the scale is no number, or the inner level
            is none.
    """

    def __init__(
        self,
        experts: Experts,
        changes: Changes,
        mask: ConcreteMask,
        *,
        scale: float,
        inner: InnerLevel | None,
        loss: Loss,
    ) -> None:
        experts.check_paired()
        check_number("scale", scale)
        if inner is not None and not isinstance(inner, InnerLevel):
            raise InputError(f"inner: expected an InnerLevel, or None, got {inner!r}")
        self._experts, self._changes, self._mask = experts, changes, mask
        self._scale, self._inner, self._loss = scale, inner, loss
        self._factors = self._start().requires_grad_(False)
        self.streams = {task: experts.endless(task) for task in experts.batches}

    def learn_mask(
        self, backward_of: Callable[[dict[str, Tensor]], float], *, steps: int, rate: float
    ) -> list[float]:
        """Steps of Adam on the logits of the mask, each with a newly drawn one.

        Gradients reach the logits through the mask of the merged model alone: the step of the
        coefficients is not differentiated.

        Args:
            backward_of: takes a merged model, adds gradients to what it is made of and returns the
                loss that they are of.
            steps: how many.
            rate: of learning.

        Returns:
            The loss before each step.

        Raises:
            InputError: an option is out of its range, or a loss is not finite.
        """
        check_count("steps", steps)
        check_positive("rate", rate)
        optimizer = torch.optim.Adam(self._mask.logits.values(), lr=rate)
        losses = []
        with self._experts.evaluating():
            for _ in range(steps):
                mask = self._mask.sample()
                self._adapt(detached(mask))
                optimizer.zero_grad()
                losses.append(backward_of(self._merged(mask, self._factors)))
                optimizer.step()
        return losses

    def finish(self, losses: Sequence[float], *, binary: bool) -> Masked:
        """Draw the mask that stays, and fit the coefficients to it.

        Args:
            losses: of the steps of the mask.
            binary: whether the mask that stays is 0 or 1.
        """
        mask = detached(self._mask.sample())
        if binary:
            mask = {name: (value > 0.5).to(value) for name, value in mask.items()}
        fitted = self._fit(mask)
        state = self._changes.finished(self._direction(mask, self._factors))
        return Masked(state, self._factors.table(), mask, [*losses, *fitted])

    def _start(self) -> Coefficients:
        each = "task" if self._inner is None else self._inner.each
        return Coefficients(self._changes, each=each, start=self._scale)

    def _merged(self, mask: Mapping[str, Tensor], factors: Coefficients) -> dict[str, Tensor]:
        return self._changes.merged(self._direction(mask, factors))

    def _direction(
        self, mask: Mapping[str, Tensor], factors: Coefficients
    ) -> Callable[[str], Tensor]:
        return lambda name: rescaled(mask[name]) * self._changes.scaled(name, factors.of(name))

    def _adapt(self, mask: Mapping[str, Tensor]) -> None:
        if self._inner is None:
            return
        factors = self._start()
        backward(self._experts, self._merged(mask, factors), self._loss, self.streams)
        torch.optim.SGD(factors.parameters(), lr=self._inner.rate).step()
        self._factors = factors.requires_grad_(False)

    def _fit(self, mask: Mapping[str, Tensor]) -> list[float]:
        if self._inner is None:
            return []
        self._factors = factors = self._start()
        optimizer = torch.optim.Adam(factors.parameters(), lr=self._inner.final_rate)
        return learn(
            self._experts,
            lambda: self._merged(mask, factors),
            self._loss,
            optimizer,
            steps=self._inner.steps,
        )
