"""The result for one task: its metrics on both sides, the change, the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from polytask.evaluation.interval import Interval

__all__ = ["Estimate", "MetricComparison", "Spread", "TaskComparison", "Verdict"]

Verdict = Literal["helped", "unchanged", "hurt", "unknown"]
"""Whether the interval of a change is above zero, holds it, is below it, or does not exist."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A metric over seeds.

    Args:
        mean: over seeds; None where the metric is not defined for one of them.
        std: sample standard deviation over seeds; None for a single seed.
        values: one per seed.
    """

    mean: float | None
    std: float | None
    values: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval.

    Args:
        value: None where it is not defined.
        interval: None where there is none (one test example, undefined in most resamplings).
    """

    value: float | None
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric of one task.

    Args:
        higher_is_better: whether larger values are better.
        multi: of the multi-task models.
        single: of the single-task models, if there are any.
        change: multi minus single.
    """

    higher_is_better: bool
    multi: Spread
    single: Spread | None = None
    change: float | None = None


@dataclass(frozen=True, kw_only=True)
class TaskComparison:
    """One task: all its metrics, and intervals of the primary one.

    Args:
        name: of the task.
        output: its output type.
        data: name of its data set.
        examples: number of labelled test examples.
        primary: the name of the metric that stands for the task.
        metrics: by name.
        multi: primary metric of the multi-task models.
        single: primary metric of the single-task models, if there are any.
        change: multi minus single in the primary metric.
        relative: change of the primary metric in percent of the single-task value, positive where
            multi-task is better; one term of delta-m.
        near_zero: the single-task value is so small that ``relative`` says little.
        verdict: None without single-task models.
        notes: what a reader must know about these numbers.
    """

    name: str
    output: str
    data: str
    examples: int
    primary: str
    metrics: Mapping[str, MetricComparison]
    multi: Estimate
    single: Estimate | None = None
    change: Estimate | None = None
    relative: float | None = None
    near_zero: bool = False
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values of the primary metric are better."""
        found = self.metrics.get(self.primary)
        return found is None or found.higher_is_better

    @property
    def gain(self) -> Estimate | None:
        """The change, turned so that positive means: multi-task is better."""
        change = self.change
        if change is None or self.higher_is_better or change.value is None:
            return change
        turned = change.interval and Interval(-change.interval.high, -change.interval.low)
        return Estimate(value=-change.value, interval=turned)
