"""Verdict and table for a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.evaluation import Comparison, RunsComparison, TaskComparison
from polytask.report.numbers import between, percent, spread, with_interval
from polytask.report.order import select
from polytask.report.verdict import MARKS, caveats, headline

__all__ = ["comparison_view", "print_comparison", "print_runs", "runs_view"]

STYLES = {"helped": "green", "hurt": "red", "unchanged": "dim", "unknown": "yellow"}


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print verdict, table and caveats."""
    (console or Console()).print(comparison_view(comparison))


def print_runs(runs: RunsComparison, console: Console | None = None) -> None:
    """Print several runs against the first."""
    (console or Console()).print(runs_view(runs))


def comparison_view(comparison: Comparison) -> RenderableType:
    """What `print_comparison` prints. Names are plain text: markup in them means nothing."""
    shown, rest = select(comparison)
    table = _table(comparison, [*shown, *comparison.pooled])
    more = [Text(f"... and {len(rest)} more tasks, see report.html", style="dim")] if rest else []
    notes = [Text(f"- {line}", style="dim") for line in caveats(comparison)]
    return Group(Text(headline(comparison), style="bold"), table, *more, *notes)


def runs_view(runs: RunsComparison) -> RenderableType:
    """One row per task, one column per run; changes are against the first run."""
    table = Table("task", "metric")
    for title in (runs.first, *[f"{name} (change, interval)" for name in runs.others]):
        table.add_column(Text(title))
    compared = list(runs.others.values())
    for index, task in enumerate(compared[0].tasks):
        metric = task.metrics.get(task.primary)
        first = spread(metric.single if metric else None)
        cells = [_run_cell(other.tasks[index]) for other in compared]
        table.add_row(Text(task.name), _metric(task), first, *cells)
    table.add_row(Text("delta-m"), "", "", *[_delta_cell(other) for other in compared])
    return Group(Text(f"Changes are against {runs.first}.", style="bold"), table)


def _table(comparison: Comparison, tasks: list[TaskComparison]) -> Table:
    compared = comparison.has_baseline
    sides = ("single-task", "multi-task", f"change ({comparison.level:.0%} interval)", "verdict")
    table = Table("task", "metric", *(sides if compared else ("value",)))
    for task in tasks:
        metric = task.metrics.get(task.primary)
        cells: list[RenderableType] = [Text(task.name), _metric(task)]
        cells += [spread(metric.single if metric else None)] if compared else []
        cells += [spread(metric.multi if metric else None)]
        table.add_row(*cells, *(_verdict_cells(task) if compared else []))
    return table


def _verdict_cells(task: TaskComparison) -> list[Text]:
    verdict = task.verdict or "unknown"
    change = with_interval(task.change) if task.change else "–"
    return [Text(change), Text(f"{MARKS[verdict]} {verdict}", style=STYLES[verdict])]


def _metric(task: TaskComparison) -> Text:
    return Text(f"{task.primary} {'↑' if task.higher_is_better else '↓'}")


def _run_cell(task: TaskComparison) -> Text:
    metric = task.metrics.get(task.primary)
    value = spread(metric.multi if metric else None)
    change = with_interval(task.change) if task.change else "–"
    verdict = task.verdict or "unknown"
    return Text(f"{value}  ({change}) {MARKS[verdict]}", style=STYLES[verdict])


def _delta_cell(comparison: Comparison) -> Text:
    if comparison.delta_m is None:
        return Text("–")
    estimate = comparison.delta_m.percent
    return Text(f"{percent(estimate.value)} {between(estimate.interval, decimals=1)}")
