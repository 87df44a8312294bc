"""How a run trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from polytask.errors import InputError

__all__ = ["TrainingOptions"]


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a run trains, evaluates on the way and saves itself.

    Args:
        steps: number of optimiser steps; give this or ``epochs``.
        epochs: number of passes over the data, see `polytask.data.Stream`.
        optimizer: AdamW (decoupled weight decay), Adam, or SGD.
        learning_rate: the highest learning rate of the schedule.
        weight_decay: of matrices; vectors (biases, norms) have none.
        momentum: of SGD.
        betas: of Adam and AdamW.
        schedule: what follows the warm-up: constant, or a linear or cosine descent to zero.
        warmup: share of the steps over which the learning rate rises linearly from zero.
        clip_norm: the norm of the whole gradient is cut to this; None for no limit.
        precision: ``fp32``, or automatic mixed precision in ``bf16`` or ``fp16`` (which
            is for accelerators: slow on a CPU).
        micro_batches: parts into which each batch is cut to save memory; the step stays the same.
        freeze: parameters whose names start with one of these are not trained, for example
            ``backbone``.
        learning_rates: start of a parameter name -> factor of the learning rate; the longest start
            wins.
        layer_decay: factor of the learning rate from each block of the backbone to the one below
            it.
        evaluate_every: steps between evaluations on the validation split; once an epoch by default.
        checkpoint_every: steps between checkpoints; at every evaluation by default.
        keep: number of checkpoints that are kept.
        patience: evaluations without a better score after which the run stops; None for never.
        log_every: steps between two writes of the log (every step is logged).
        track: trackers that are told what the log is told: ``tensorboard``, ``mlflow``. They write
            local files in the folder of the run.
        workers: threads that gather batches ahead.
        device: ``auto`` for an accelerator if there is one, or a device of PyTorch.

    Raises:
        InputError: a value out of its range, or neither or both of steps and epochs.
    """

    steps: int | None = None
    epochs: float | None = None
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    warmup: float = 0.0
    clip_norm: float | None = 1.0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    micro_batches: int = 1
    freeze: Sequence[str] = ()
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    layer_decay: float = 1.0
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    keep: int = 2
    patience: int | None = None
    log_every: int = 20
    track: Sequence[Literal["tensorboard", "mlflow"]] = ()
    workers: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise InputError("training: give either steps or epochs")
        for name, (holds, wanted) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise InputError(f"training.{name} must be {wanted}, got {value}")
        for name, factor in self.learning_rates.items():
            if not 0 <= factor < math.inf:
                raise InputError(f"training.learning_rates.{name} must be 0 or more, got {factor}")

    def total_steps(self, steps_per_epoch: int) -> int:
        """Number of optimiser steps of the run."""
        if self.steps is not None:
            return self.steps
        return max(1, round(float(self.epochs or 0) * steps_per_epoch))


_Rule = tuple[Callable[[Any], bool], str]
_COUNT: _Rule = (lambda x: x >= 1, "at least 1")
_NOT_NEGATIVE: _Rule = (lambda x: 0 <= x < math.inf, "0 or more")
_POSITIVE: _Rule = (lambda x: 0 < x < math.inf, "positive")
_SHARE: _Rule = (lambda x: 0 <= x <= 1, "in [0, 1]")

_RANGES: Mapping[str, _Rule] = {
    "steps": _COUNT,
    "epochs": _POSITIVE,
    "learning_rate": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "momentum": _SHARE,
    "betas": (lambda x: all(0 <= beta < 1 for beta in x), "in [0, 1)"),
    "warmup": _SHARE,
    "clip_norm": _POSITIVE,
    "micro_batches": _COUNT,
    "layer_decay": _SHARE,
    "evaluate_every": _COUNT,
    "checkpoint_every": _COUNT,
    "keep": _COUNT,
    "patience": _COUNT,
    "log_every": _COUNT,
    "workers": _NOT_NEGATIVE,
}
"""What an option must be; NaN is none of it."""
