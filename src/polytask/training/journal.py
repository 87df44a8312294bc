"""What a run reports: losses and metrics, to the log and to observers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from polytask.balance import Balanced
from polytask.errors import RunError
from polytask.training.balancing import described
from polytask.training.log import Log
from polytask.training.observer import Observer
from polytask.training.processes import Processes

__all__ = ["Journal"]


class _Done(NamedTuple):
    """A step whose losses were not read yet."""

    step: int
    rate: float
    losses: dict[str, Tensor]
    balanced: Balanced | None


class Journal:
    """Collects losses on the device, reads them together, checks them and passes them on.

    Args:
        total: number of steps of the run.
        processes: whose shares of the losses are added up.
    """

    def __init__(self, total: int, processes: Processes) -> None:
        self.total, self.processes = total, processes
        self.log: Log | None = None
        self.observers: Sequence[Observer] = ()
        self._pending: list[_Done] = []

    def __len__(self) -> int:
        """Number of steps whose losses were not read yet."""
        return len(self._pending)

    def add(
        self, step: int, rate: float, losses: dict[str, Tensor], balanced: Balanced | None = None
    ) -> None:
        """Take the losses of a step that is done, still on the device.

        Args:
            step: number of steps that are done.
            rate: the learning rate of the step.
            losses: task -> this process's share of its loss.
            balanced: the weights and conflicts of the step.
        """
        if losses:
            self._pending.append(_Done(step, rate, losses, balanced))

    def flush(self) -> None:
        """Read, check and report the losses since the last time.

        Raises:
            RunError: a loss is NaN or infinite; names the task and the step.
        """
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        shares = torch.stack([loss for done in pending for loss in done.losses.values()])
        values = iter(self.processes.add(shares).tolist())
        records: list[dict[str, Any]] = [
            {
                "step": done.step,
                "kind": "train",
                "learning_rate": done.rate,
                "loss": {name: next(values) for name in done.losses},
                **({} if done.balanced is None else {"balance": described(done.balanced)}),
            }
            for done in pending
        ]
        for record in records:
            check_finite(record["loss"], step=record["step"])
        if self.log is not None:
            self.log.append(records)
        for observer in self.observers:
            for record in records:
                observer.step(record["step"], self.total, record["loss"])

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        """Report an evaluation."""
        record = {"step": step, "kind": "validation", "score": score, "metrics": metrics}
        if self.log is not None:
            self.log.append([record])
        for observer in self.observers:
            observer.evaluated(step, metrics, score)

    def sync(self) -> None:
        """Wait until the log is on the disk."""
        if self.log is not None:
            self.log.sync()


def check_finite(losses: Mapping[str, float], *, step: int) -> None:
    """Refuse a loss that is no number.

    Raises:
        RunError: names the task and the step.
    """
    for name, value in losses.items():
        if not math.isfinite(value):
            raise RunError(
                f"the loss of task {name!r} is {value} at step {step}; checkpoints from before "
                "are intact (a lower learning rate or clip_norm may help)"
            )
