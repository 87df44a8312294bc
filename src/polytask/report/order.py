"""The order in which many tasks are shown."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.evaluation import Comparison, TaskComparison

__all__ = ["SHOWN", "by_gain", "extremes", "select"]

SHOWN = 20
"""Most tasks that are shown without a click: about one screen."""


def by_gain(tasks: Sequence[TaskComparison]) -> list[TaskComparison]:
    """From the most hurt to the most helped; tasks without a change last.

    Tasks of one metric are ordered by its change; mixed metrics have no common unit, so there the
    relative change orders.
    """
    one_metric = len({task.primary for task in tasks}) == 1
    return sorted(tasks, key=lambda task: _key(task, one_metric=one_metric))


def extremes(tasks: Sequence[TaskComparison], count: int) -> list[TaskComparison]:
    """The most hurt and the most helped tasks, half of the count each; all if there are no more."""
    if len(tasks) <= count:
        return list(tasks)
    ordered = by_gain([task for task in tasks if task.relative is not None]) or list(tasks)
    if len(ordered) <= count:
        return ordered
    return [*ordered[: count // 2], *ordered[len(ordered) - (count - count // 2) :]]


def select(comparison: Comparison) -> tuple[list[TaskComparison], list[TaskComparison]]:
    """The tasks that are shown at once, and the rest.

    Up to `SHOWN` tasks stay in the recipe's order.
    """
    shown = extremes(comparison.tasks, SHOWN)
    names = {task.name for task in shown}
    return shown, by_gain([task for task in comparison.tasks if task.name not in names])


def _key(task: TaskComparison, *, one_metric: bool) -> tuple[bool, float, str]:
    gain = task.gain.value if task.gain is not None else None
    value = gain if one_metric else task.relative
    return value is None, value or 0.0, task.name
