"""delta-m: the mean relative gain of multi-task over single-task models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from polytask.evaluation.change import Arms, mean_over_tasks
from polytask.evaluation.comparison import DeltaM
from polytask.evaluation.interval import estimate
from polytask.evaluation.task_comparison import Estimate
from polytask.evaluation.values import TaskValues

__all__ = ["NEAR_ZERO", "delta_m", "estimated", "is_near_zero", "relative_gain"]

NEAR_ZERO = 0.1
"""Share of a metric's range below which a single-task value is called near zero: from there on, a
change by one hundredth of the range is a relative change of more than 10 percent."""


def delta_m(tasks: Sequence[TaskValues], *, level: float = 0.95) -> DeltaM:
    """The multi-task gain over all tasks, with the absolute gains beside it.

    ``100 / T * sum_i (-1)^(l_i) (M_m,i - M_b,i) / M_b,i`` over T tasks, where l_i = 1 if lower is
    better for task i: positive means that multi-task is better. M_m and M_b are means over seeds.
    Differs from the paper in that it divides by |M_b|: with a negative baseline (R2, MCC) the
    paper's formula would call a gain a loss. Where metrics are positive, the two are equal.

    A relative change explodes near a zero baseline: one such task can decide the mean of all. Those
    tasks stay in, as the definition says, and are named.

    Source: Maninis, Radosavovic, Kokkinos, "Attentive Single-Tasking of Multiple Tasks", 2019.

    Args:
        tasks: those that have single-task models; the same R and seeds for all.
        level: of the intervals.
    """
    defined = [task for task in tasks if not np.isnan(relative_gain(task))]
    names = {task.name for task in defined}
    groups: dict[str, list[Arms]] = defaultdict(list)
    for task in tasks:
        groups[task.metric_name].append(task.gain())
    return DeltaM(
        percent=_mean([task.relative_gain() for task in defined], level),
        tasks=len(defined),
        near_zero=tuple(task.name for task in defined if is_near_zero(task, level=level)),
        left_out=tuple(task.name for task in tasks if task.name not in names),
        gains={name: _mean(arms, level) for name, arms in groups.items()},
    )


def relative_gain(task: TaskValues) -> float:
    """One term of delta-m in percent; NaN where a value is not defined or the baseline is 0."""
    return float(sum(arm[0].mean() for arm in task.relative_gain()))


def is_near_zero(task: TaskValues, *, level: float = 0.95) -> bool:
    """Whether the single-task value is too close to zero for relative changes to say much.

    True if it is below a tenth of the metric's range (accuracy: 0.1; AUROC, whose useless value is
    0.5: 0.05), or if its interval holds zero, which also covers metrics in a unit.
    """
    value, interval = estimate([task.baseline], level=level)
    worst, best = task.metric.worst, task.metric.best
    small = worst is not None and abs(value) < NEAR_ZERO * abs(best - worst)
    return small or (interval is not None and 0 in interval)


def estimated(arms: Arms, *, level: float = 0.95) -> Estimate:
    """A value and its interval in the form of a result: None where the value is not defined."""
    value, interval = estimate(arms, level=level)
    return Estimate(value=None if np.isnan(value) else value, interval=interval)


def _mean(arms: Sequence[Arms], level: float) -> Estimate:
    if not arms:
        return Estimate(value=None, interval=None)
    return estimated(mean_over_tasks(arms), level=level)
