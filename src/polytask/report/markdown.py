"""The result of a run as Markdown, for the page of a recipe."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.evaluation import Comparison
from polytask.evaluation.task_comparison import TaskComparison
from polytask.report.numbers import percent, spread, with_interval
from polytask.report.verdict import caveats, headline

__all__ = ["comparison_markdown"]

MOST_ROWS = 30
"""With more tasks than this only the pooled rows are shown; the report has them all."""


def comparison_markdown(comparison: Comparison) -> str:
    """The verdict, what to know about it, and the table of tasks (mean ± deviation over seeds)."""
    lines = [headline(comparison), *caveats(comparison)]
    rows = [*comparison.tasks, *comparison.pooled]
    shown = rows if len(rows) <= MOST_ROWS else list(comparison.pooled)
    return "\n\n".join([*lines, _table(shown), *_overall(comparison)]) + "\n"


def _table(tasks: Sequence[TaskComparison]) -> str:
    head = ["| task | metric | single-task | multi-task | change | |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(task) for task in tasks)])


def _row(task: TaskComparison) -> str:
    found = task.metrics[task.primary]
    change = with_interval(task.change) if task.change is not None else ""
    cells = [task.name, task.primary, spread(found.single), spread(found.multi), change]
    return f"| {' | '.join(cells)} | {task.verdict or ''} |"


def _overall(comparison: Comparison) -> list[str]:
    if comparison.delta_m is None:
        return []
    gains = [
        f"mean change of {metric}: {with_interval(gain)}"
        for metric, gain in comparison.delta_m.gains.items()
    ]
    whole = comparison.delta_m.percent.value
    return [f"delta-m {percent(whole)}; " + "; ".join(gains) + " (positive: multi-task is better)."]
