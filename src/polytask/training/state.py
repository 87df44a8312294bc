"""Where a run stands, and the best weights so far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

__all__ = ["Best", "Moment", "RunState"]


class Moment(NamedTuple):
    """A point in time, in seconds of the clock and of the processor."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Moment:
        """The present."""
        return cls(time.monotonic(), time.process_time())


@dataclass
class RunState:
    """Where a run stands; what a checkpoint holds beside tensors.

    Args:
        step: number of steps that are done.
        best_score: best validation score so far.
        best_step: the step at which it was reached.
        worse: evaluations since then.
        finished: no step is left, or patience is spent.
        seconds: time spent in training and validation, over all resumptions.
        cpu_seconds: of them, what this process computed, summed over its threads.
    """

    step: int = 0
    best_score: float | None = None
    best_step: int = 0
    worse: int = 0
    finished: bool = False
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def spent(self, since: Moment) -> Moment:
        """Add the time since a moment; returns the present one."""
        now = Moment.now()
        self.seconds += now.wall - since.wall
        self.cpu_seconds += now.cpu - since.cpu
        return now

    def scored(self, score: float) -> bool:
        """Take note of a validation score; tells whether it is the best so far."""
        if self.best_score is None or score > self.best_score:
            self.best_score, self.best_step, self.worse = score, self.step, 0
            return True
        self.worse += 1
        return False


class Best:
    """The weights with the best validation score; none without a validation split."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}

    def keep(self, model: nn.Module) -> None:
        """Copy the present weights."""
        self.weights = {
            name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()
        }

    def use(self, model: nn.Module) -> None:
        """Give the model the weights that were kept, if any were."""
        if self.weights:
            model.load_state_dict(self.weights)
