"""What a loss weighting may know of a task beside its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["TaskContext"]


@dataclass(frozen=True, kw_only=True)
class TaskContext:
    """What is known of a task and its part of the step.

    With several processes the context of the first one holds; its counts are those of all.

    Args:
        kind: whether the loss is the logarithm of a likelihood over classes (``classification``)
            or a distance between numbers (``regression``).
        classes: number of classes, of a classification.
        examples: number of examples that the task has in the step.
        tokens: number of tokens with a target that the task has in the step.
        performance: how well the step's examples were solved, from 0 to 1, such as the accuracy.
    """

    kind: Literal["classification", "regression"] = "classification"
    classes: int | None = None
    examples: int | None = None
    tokens: int | None = None
    performance: float | None = None
