"""One number for several tasks: what chooses the best checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from polytask.errors import InputError
from polytask.evaluation.formula import Formula
from polytask.tasks import TaskSet

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
        reference: task -> value of its primary metric that counts as 1, for example that of a
            single-task model.

    Raises:
        InputError: a range whose ends are equal, or a reference of 0.
    """

    mean: Literal["arithmetic", "harmonic"] = "arithmetic"
    formula: str | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reference: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.formula is not None:
            Formula(self.formula)
        for task, (worst, best) in self.ranges.items():
            if worst == best:
                raise InputError(f"select.ranges.{task}: worst and best are both {worst}")
        for task, value in self.reference.items():
            if value == 0:
                raise InputError(f"select.reference.{task}: must not be 0")

    def score(self, tasks: TaskSet, metrics: Mapping[str, Mapping[str, float]]) -> float:
        """The score of an evaluation; a metric that is not defined (NaN) counts as the worst, 0.

        Raises:
            InputError: the formula names a task or metric that does not exist.
        """
        if self.formula is not None:
            return Formula(self.formula).value(metrics)
        values = np.array([self._scaled(tasks, name, found) for name, found in metrics.items()])
        values = np.nan_to_num(values, nan=0.0)
        if self.mean == "arithmetic":
            return float(values.mean())
        return 0.0 if (values <= 0).any() else float(len(values) / (1 / values).sum())

    def _scaled(self, tasks: TaskSet, name: str, found: Mapping[str, float]) -> float:
        output = tasks[name].output
        metric, value = output.metrics()[output.primary_metric], found[output.primary_metric]
        if name in self.reference:
            share = value / self.reference[name]
            return share if metric.higher_is_better else 1 / max(share, 1e-12)
        if name in self.ranges:
            worst, best = self.ranges[name]
            return (value - worst) / (best - worst)
        if metric.worst is not None:
            return (value - metric.worst) / (metric.best - metric.worst)
        return value if metric.higher_is_better else 1 / (1 + value / output.unit)
