"""The tables of a report."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.evaluation import Comparison, MetricComparison, Spread, TaskComparison
from polytask.report.html import Markup, details, join, table, tag
from polytask.report.numbers import number, percent, signed, spread, with_interval
from polytask.report.order import select
from polytask.report.verdict import MARKS

__all__ = ["metric_table", "result_table"]


def result_table(comparison: Comparison) -> Markup:
    """One row per task in its primary metric; the rest of many tasks opens on a click."""
    shown, rest = select(comparison)
    parts: list[object] = [_table(comparison, [*shown, *comparison.pooled])]
    if rest:
        parts.append(details(f"The other {len(rest)} tasks", _table(comparison, rest)))
    return join([*parts, _legend(comparison)])


def metric_table(comparison: Comparison) -> Markup:
    """Every metric of every task, without intervals."""
    compared = comparison.has_baseline
    head = ["task", "metric", *(["single-task"] if compared else []), "multi-task"]
    rows = [
        [task.name, _metric(name, found), *_sides(found, compared=compared)]
        for task in (*comparison.tasks, *comparison.pooled)
        for name, found in task.metrics.items()
    ]
    return table([*head, *(["change"] if compared else [])], rows)


def _table(comparison: Comparison, tasks: Sequence[TaskComparison]) -> Markup:
    level = f"{comparison.level:.0%} interval"
    if not comparison.has_baseline:
        head = ["task", "metric", "value", level, "test examples"]
        return table(head, [_plain_row(task) for task in tasks], class_="result")
    head = ["task", "metric", "single-task", "multi-task", f"change [{level}]", "relative"]
    rows = [_compared_row(task) for task in tasks]
    return table([*head, "verdict", "tested on"], rows, class_="result")


def _plain_row(task: TaskComparison) -> list[object]:
    interval = task.multi.interval
    ends = f"[{number(interval.low)}, {number(interval.high)}]" if interval else "–"
    return [task.name, _primary(task), spread(_found(task, "multi")), ends, _examples(task)]


def _compared_row(task: TaskComparison) -> list[object]:
    change = with_interval(task.change) if task.change else "–"
    near = " †" if task.near_zero else ""
    return [
        task.name,
        _primary(task),
        spread(_found(task, "single")),
        spread(_found(task, "multi")),
        change,
        percent(task.relative) + near,
        verdict_cell(task),
        _examples(task),
    ]


def verdict_cell(task: TaskComparison) -> Markup:
    """Sign and word: readable without colour."""
    verdict = task.verdict or "unknown"
    return tag("span", f"{MARKS[verdict]} {verdict}", class_=f"verdict {verdict}")


def _found(task: TaskComparison, side: str) -> Spread | None:
    metric = task.metrics.get(task.primary)
    if metric is None:
        return None
    return metric.multi if side == "multi" else metric.single


def _primary(task: TaskComparison) -> str:
    return f"{task.primary} {'↑' if task.higher_is_better else '↓'}"


def _metric(name: str, found: MetricComparison) -> str:
    return f"{name} {'↑' if found.higher_is_better else '↓'}"


def _sides(found: MetricComparison, *, compared: bool) -> list[object]:
    if not compared:
        return [spread(found.multi)]
    return [spread(found.single), spread(found.multi), signed(found.change)]


def _examples(task: TaskComparison) -> str:
    return f"{task.examples:,}{' *' if task.notes else ''}"


def _legend(comparison: Comparison) -> Markup:
    said = ["↑ higher is better, ↓ lower is better. ± is the standard deviation over seeds."]
    if comparison.has_baseline:
        level = f"{comparison.level:.0%}"
        said.append(
            f"Change is multi-task minus single-task, with its {level} interval (paired bootstrap "
            f"over test examples, {comparison.resamples:,} resamples, and the spread between seeds "
            "as a second level). ▲ helped and ▼ hurt: the interval excludes zero; = unchanged: it "
            "holds zero. Relative: the change in percent of the single-task value, positive where "
            "multi-task is better; delta-m is its mean over tasks."
        )
    if any(task.near_zero for task in comparison.tasks):
        said.append("† near a zero baseline a relative change says little.")
    notes = dict.fromkeys(note for task in comparison.tasks for note in task.notes)
    said += [f"* {'; '.join(notes)}."] if notes else []
    return tag("p", " ".join(said), class_="legend")
