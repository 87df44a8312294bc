"""One number for several tasks: what chooses the best checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from polytask.errors import InputError
from polytask.evaluation.formula import Formula
from polytask.tasks import Output, TaskSet

__all__ = ["Aggregate"]


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """How the primary metrics of the tasks become one score; higher is better.

    A metric with a natural range (accuracy: 0 to 1) is scaled to [0, 1] by it. A metric in a unit
    (RMSE) counts as 1 / (1 + value / deviation of the training targets), unless it has a range or a
    reference. Where lower is better, ``reference / value`` is used.

    Args:
        mean: ``arithmetic``, or ``harmonic`` (which punishes a task that is left behind).
        formula: a score of your own instead of a mean, see `Formula`; higher must be better. A
            single-task model is still chosen by its primary metric.
        ranges: task -> [worst, best] of its primary metric.
        reference: task -> value of its primary metric that counts as 1; or ``single_task`` for the
            best validation value of its matched single-task model, which is then trained first.

    Raises:
        InputError: a range whose ends are equal, a reference that is not positive, or a formula
            beside ``single_task``, which it would not use.
    """

    mean: Literal["arithmetic", "harmonic"] = "arithmetic"
    formula: str | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reference: Mapping[str, float] | Literal["single_task"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.formula is not None:
            Formula(self.formula)
        for task, (worst, best) in self.ranges.items():
            if worst == best:
                raise InputError(f"select.ranges.{task}: worst and best are both {worst}")
        if self.reference == "single_task":
            if self.formula is not None:
                raise InputError("select: a formula does not use reference: single_task; drop one")
            return
        for task, value in self.reference.items():
            if not 0 < value < math.inf:
                raise InputError(f"select.reference.{task}: must be a positive number, got {value}")

    def score(self, tasks: TaskSet, metrics: Mapping[str, Mapping[str, float]]) -> float:
        """The score of an evaluation; a metric that is not defined (NaN) counts as the worst, 0.

        Raises:
            InputError: the formula names a task or metric that does not exist, or the reference is
                still ``single_task``, for which an experiment puts numbers.
        """
        if self.formula is not None:
            return Formula(self.formula).value(metrics)
        if self.reference == "single_task":
            raise InputError("select.reference: single_task goes with a recipe; give task -> value")
        scaled = [
            _scaled(tasks[name].output, found, self.ranges.get(name), self.reference.get(name))
            for name, found in metrics.items()
        ]
        values = np.nan_to_num(np.array(scaled), nan=0.0)
        if self.mean == "arithmetic":
            return float(values.mean())
        return 0.0 if (values <= 0).any() else float(len(values) / (1 / values).sum())


def _scaled(
    output: Output,
    found: Mapping[str, float],
    ends: tuple[float, float] | None,
    reference: float | None,
) -> float:
    """The primary metric of a task as a score."""
    metric, value = output.metrics()[output.primary_metric], found[output.primary_metric]
    if reference is not None:
        share = value / reference
        return share if metric.higher_is_better else 1 / max(share, 1e-12)
    if ends is None and metric.worst is not None:
        ends = metric.worst, metric.best
    if ends is not None:
        worst, best = ends
        return (value - worst) / (best - worst)
    return value if metric.higher_is_better else 1 / (1 + value / output.unit)
