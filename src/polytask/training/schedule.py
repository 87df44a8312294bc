"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from polytask.training.options import TrainingOptions

__all__ = ["rate_factor"]


def rate_factor(step: int, total: int, options: TrainingOptions) -> float:
    """The share of the highest learning rate at a step (from 0) of ``total`` steps.

    It rises linearly over the warm-up, then stays, or falls linearly or as a cosine towards zero.
    """
    warmup = round(options.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    if options.schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, total - warmup)
    return 1 - progress if options.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
