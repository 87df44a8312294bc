"""One optimiser step: outputs, losses, gradients, their sum over the processes, the update."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from polytask.balance import Balanced
from polytask.data import Batch, Step
from polytask.models import MultiTaskModel
from polytask.randomness import seed_all
from polytask.training.balancing import Balancing, Computed
from polytask.training.losses import batch_losses
from polytask.training.optimizer import make_optimizer, set_rate
from polytask.training.options import TrainingOptions
from polytask.training.processes import Processes

__all__ = ["Update", "Updated"]

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What autocast computes in."""


class Updated(NamedTuple):
    """What a step tells.

    Args:
        losses: this process's share of the loss of each task that the step carries.
        stop: whether any process was asked to stop.
        balanced: weights and conflicts, of a balanced step.
    """

    losses: dict[str, Tensor]
    stop: bool
    balanced: Balanced | None


class Update:
    """Takes optimiser steps.

    Args:
        model: to train, on the device of the processes.
        options: see `TrainingOptions`.
        processes: each computes its share of a step.
        seed: of the noise of the steps (dropout).
        balancing: how the losses of a step become one update; their sum by default.

    Raises:
        InputError: options that do not fit the model.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        options: TrainingOptions,
        processes: Processes,
        *,
        seed: int,
        balancing: Balancing | None = None,
    ) -> None:
        device = processes.device
        self.model, self.options, self.processes, self.seed = model, options, processes, seed
        self.optimizer = make_optimizer(model, options)
        self.scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")
        self.scaler.scale(self._zero())  # made ready: balanced steps scale by themselves
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.balancing = balancing
        if balancing is not None:
            balancing.prepare(model, micro_batches=options.micro_batches)

    def __call__(self, step: Step, factor: float, *, stop: bool = False) -> Updated:
        """Take a step; one that carries no task changes nothing.

        Args:
            step: the batches of this process.
            factor: share of the highest learning rate.
            stop: this process was asked to stop.
        """
        if not step.totals:
            return Updated({}, self.processes.any(stop), None)
        seed_all(self.seed, "step", self.processes.rank, step.index)
        losses = dict.fromkeys(step.totals, self._zero())
        balanced = None
        if self.balancing is None:
            self._backward(step, losses)
            stop = self.processes.add_gradients(self.trained, stop=stop)
        else:
            computed = (self._computed(batch, step, losses) for batch in step.batches)
            balanced = self.balancing(step, computed, scale=self.scaler.get_scale())
            stop = self.processes.any(stop)
        set_rate(self.optimizer, factor)
        self.scaler.unscale_(self.optimizer)
        if self.options.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, self.options.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return Updated(losses, stop, balanced)

    def _backward(self, step: Step, total: dict[str, Tensor]) -> None:
        """Add up the gradients of this process, and its share of each task's loss."""
        for batch in step.batches:
            weighted = list(self._computed(batch, step, total).losses.values())
            if weighted:
                whole = sum(weighted[1:], weighted[0])
                self.scaler.scale(whole).backward()  # type: ignore[no-untyped-call]

    def _computed(self, batch: Batch, step: Step, total: dict[str, Tensor]) -> Computed:
        """The forward pass of a batch; its losses, not weighted yet, are added to ``total``."""
        batch = batch.to(self.processes.device)
        with self._autocast():
            features = self.model.backbone(batch.fields)
            outputs = self.model.outputs(features, batch.rows)
        losses = batch_losses(outputs, batch, self.model.tasks, step.totals)
        for name, loss in losses.items():
            total[name] = total[name] + loss.detach()
        weighted = {name: self._weighted(name, loss, step) for name, loss in losses.items()}
        return Computed(weighted, features)

    def _weighted(self, name: str, loss: Tensor, step: Step) -> Tensor:
        weight = self.model.tasks[name].weight * step.factors.get(name, 1.0)
        return loss if weight == 1.0 else loss * weight

    def _zero(self) -> Tensor:
        return torch.zeros((), device=self.processes.device)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.options.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.processes.device.type, dtype=DTYPES[self.options.precision])
