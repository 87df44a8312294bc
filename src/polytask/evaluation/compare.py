"""Multi-task against single-task models, task by task."""

from __future__ import annotations

from polytask.evaluation.change import Arms
from polytask.evaluation.comparison import Comparison
from polytask.evaluation.delta_m import delta_m, estimated, is_near_zero, relative_gain
from polytask.evaluation.interval import Interval
from polytask.evaluation.pooled import pooled_subjects
from polytask.evaluation.spread import compare_metrics, defined
from polytask.evaluation.subject import Runs, Subject, subjects
from polytask.evaluation.task_comparison import Estimate, TaskComparison, Verdict
from polytask.evaluation.values import TaskValues, measure
from polytask.tasks import TaskSet

__all__ = ["FEW_EXAMPLES", "compare"]

FEW_EXAMPLES = 30
"""Below this number of test examples a percentile interval is visibly too short (by the factor
sqrt(1 - 1/N), and more for skewed metrics): the reader is told."""


def compare(
    tasks: TaskSet,
    multi: Runs,
    single: Runs | None = None,
    *,
    resamples: int = 2000,
    level: float = 0.95,
) -> Comparison:
    """How well the tasks are solved, and whether training them together helped.

    Every task's change (multi minus single, in its primary metric) gets an interval from a paired
    bootstrap: all models see the same resampled test examples, and the spread between seeds is a
    second level, see `polytask.evaluation.estimate`. With equal seeds on both sides, models of one
    seed are a pair.

    Args:
        tasks: the fitted tasks.
        multi: seed -> task -> evidence on the test split of the multi-task models.
        single: the same of the matched single-task models, if there are any.
        resamples: R, of the test examples. With 2,000, fifty lie beyond each end of an interval.
        level: probability that an interval holds the true value.

    Raises:
        InputError: no run, a task that was evaluated for some seeds only, or models of one task
            that were tested on different examples.
    """
    of_tasks = subjects(tasks, multi, single)
    pools = pooled_subjects(tasks, of_tasks)
    values = measure([*of_tasks, *pools], resamples=resamples)
    rows = [_row(*pair, level) for pair in zip([*of_tasks, *pools], values, strict=True)]
    compared = [v for v in values[: len(of_tasks)] if v is not None and v.single is not None]
    return Comparison(
        seeds=tuple(sorted(multi)),
        tasks=tuple(rows[: len(of_tasks)]),
        pooled=tuple(rows[len(of_tasks) :]),
        delta_m=delta_m(compared, level=level) if compared else None,
        level=level,
        resamples=resamples,
    )


def _row(subject: Subject, values: TaskValues | None, level: float) -> TaskComparison:
    multi, single, change = _estimates(subject, values, level)
    has_baseline = values is not None and values.single is not None
    return TaskComparison(
        name=subject.name,
        output=type(subject.output).__name__,
        data=subject.data,
        examples=subject.examples,
        primary=subject.output.primary_metric,
        metrics=compare_metrics(subject),
        multi=multi,
        single=single,
        change=change,
        relative=defined(relative_gain(values)) if values and has_baseline else None,
        near_zero=bool(values and has_baseline and is_near_zero(values, level=level)),
        verdict=_verdict(change.interval, subject) if change else None,
        notes=tuple(_notes(subject, multi, change or multi)),
    )


def _estimates(
    subject: Subject, values: TaskValues | None, level: float
) -> tuple[Estimate, Estimate | None, Estimate | None]:
    """Multi, single and change; without intervals where a single example cannot vary."""
    if values is None:
        return Estimate(value=None, interval=None), None, None
    sides: list[Arms] = [(values.multi,)]
    if values.single is not None:
        sides += [(values.single,), values.change()]
    found = [estimated(arms, level=level) for arms in sides]
    if subject.examples < 2:
        found = [Estimate(value=x.value, interval=None) for x in found]
    multi, single, change = [*found, None, None][:3]
    assert multi is not None
    return multi, single, change


def _verdict(interval: Interval | None, subject: Subject) -> Verdict:
    if interval is None:
        return "unknown"
    if 0 in interval:
        return "unchanged"
    return "helped" if (interval.low > 0) == subject.metric.higher_is_better else "hurt"


def _notes(subject: Subject, multi: Estimate, last: Estimate) -> list[str]:
    if not subject.examples:
        return ["no labelled test example"]
    if multi.value is None or last.value is None:
        return [f"{subject.output.primary_metric} is not defined for these test examples"]
    if last.interval is None:
        return ["too few test examples for an interval"]
    if subject.examples < FEW_EXAMPLES:
        return ["few test examples: the interval is rough"]
    return []
