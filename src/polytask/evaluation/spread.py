"""Every metric of a task over seeds, on both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from polytask.evaluation.subject import Subject
from polytask.evaluation.task_comparison import MetricComparison, Spread
from polytask.tasks.metrics import Evidence, Metric

__all__ = ["compare_metrics", "defined", "spread"]


def compare_metrics(subject: Subject) -> dict[str, MetricComparison]:
    """Metric -> values of both sides; empty without test examples."""
    if not subject.multi:
        return {}
    metrics = subject.output.metrics()
    return {name: _compare(metric, subject) for name, metric in metrics.items()}


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation over seeds.

    The mean is not defined if one value is not: to leave a failed seed out would flatter the rest.
    """
    mean = float(np.mean(values))
    std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(mean=defined(mean), std=defined(std), values=tuple(map(defined, values)))


def defined(value: float) -> float | None:
    """The value, or None for NaN."""
    return None if math.isnan(value) else value


def _compare(metric: Metric, subject: Subject) -> MetricComparison:
    multi = _measure(metric, subject.multi)
    single = _measure(metric, subject.single) if subject.single else None
    change = None
    if multi.mean is not None and single is not None and single.mean is not None:
        change = multi.mean - single.mean
    return MetricComparison(
        higher_is_better=metric.higher_is_better, multi=multi, single=single, change=change
    )


def _measure(metric: Metric, side: Mapping[int, Evidence]) -> Spread:
    return spread([metric.value(evidence) for evidence in side.values()])
