"""One optimiser step: outputs, losses, gradients, their sum over the processes, the update."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from polytask.data import Batch, Step
from polytask.errors import InputError
from polytask.models import MultiTaskModel
from polytask.randomness import seed_all
from polytask.training.losses import batch_losses
from polytask.training.optimizer import make_optimizer, set_rate
from polytask.training.options import TrainingOptions
from polytask.training.processes import Processes

__all__ = ["Update"]

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What autocast computes in."""


class Update:
    """Takes optimiser steps.

    Args:
        model: to train, on the device of the processes.
        options: see `TrainingOptions`.
        processes: each computes its share of a step.
        seed: of the noise of the steps (dropout).

    Raises:
        InputError: fp16 without an accelerator, or options that do not fit the model.
    """

    def __init__(
        self, model: MultiTaskModel, options: TrainingOptions, processes: Processes, *, seed: int
    ) -> None:
        device = processes.device
        if options.precision == "fp16" and device.type == "cpu":
            raise InputError("training.precision: fp16 needs an accelerator; use bf16 or fp32")
        self.model, self.options, self.processes, self.seed = model, options, processes, seed
        self.optimizer = make_optimizer(model, options)
        self.scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")
        self.trained = [p for p in model.parameters() if p.requires_grad]

    def __call__(
        self, step: Step, factor: float, *, stop: bool = False
    ) -> tuple[dict[str, Tensor], bool]:
        """Take a step; one that carries no task changes nothing.

        Args:
            step: the batches of this process.
            factor: share of the highest learning rate.
            stop: this process was asked to stop.

        Returns:
            This process's share of the loss of each task that the step carries, and whether any
            process was asked to stop.
        """
        if not step.totals:
            return {}, self.processes.any(stop)
        seed_all(self.seed, "step", self.processes.rank, step.index)
        losses = self._backward(step)
        stop = self.processes.add_gradients(self.trained, stop=stop)
        set_rate(self.optimizer, factor)
        self.scaler.unscale_(self.optimizer)
        if self.options.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, self.options.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return losses, stop

    def _backward(self, step: Step) -> dict[str, Tensor]:
        """Add up the gradients of this process; returns its share of each task's loss."""
        total: dict[str, Tensor] = {}
        for batch in step.batches:
            found = self._losses(batch.to(self.processes.device), step)
            weighted = [self._weighted(name, loss, step) for name, loss in found.items()]
            if weighted:
                whole = sum(weighted[1:], weighted[0])
                self.scaler.scale(whole).backward()  # type: ignore[no-untyped-call]
            for name, loss in found.items():
                share = loss.detach()
                total[name] = total[name] + share if name in total else share
        return {name: total.get(name, self._zero()) for name in step.totals}

    def _losses(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        with self._autocast():
            outputs = self.model(batch.fields, batch.rows)
        return batch_losses(outputs, batch, self.model.tasks, step.totals)

    def _weighted(self, name: str, loss: Tensor, step: Step) -> Tensor:
        weight = self.model.tasks[name].weight * step.factors.get(name, 1.0)
        return loss if weight == 1.0 else loss * weight

    def _zero(self) -> Tensor:
        return torch.zeros((), device=self.processes.device)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.options.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.processes.device.type, dtype=DTYPES[self.options.precision])
