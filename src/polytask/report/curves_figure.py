"""The figure of training curves: a row per task, multi-task beside single-task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polytask.evaluation import Comparison, TaskComparison
from polytask.report.changes import plain
from polytask.report.curve import Curve, Logs, loss_curve, metric_curve, read_logs
from polytask.report.order import extremes
from polytask.report.palette import WIDTH, Palette

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CURVES", "RunLogs", "curves_figure", "read_run_logs"]

CURVES = 8
"""Most tasks whose curves are drawn; of more tasks, the most hurt and the most helped."""

Pair = tuple[Curve | None, Curve | None]
"""Multi-task and single-task."""


class RunLogs:
    """The logs of a run.

    Args:
        multi: of the multi-task models.
        single: task -> logs of its single-task models.
    """

    def __init__(self, multi: Logs, single: Mapping[str, Logs]) -> None:
        self.multi, self.single = multi, single

    def losses(self, task: str) -> Pair:
        """Training loss on both sides."""
        return loss_curve(self.multi, task), loss_curve(self.single.get(task, []), task)

    def metrics(self, task: str, metric: str) -> Pair:
        """Validation metric on both sides."""
        single = self.single.get(task, [])
        return metric_curve(self.multi, task, metric), metric_curve(single, task, metric)


def read_run_logs(run: Path, comparison: Comparison) -> RunLogs:
    """The logs in the folder of a run; what is absent is empty."""
    single = {task.name: read_logs(run / "single" / task.name) for task in comparison.tasks}
    return RunLogs(read_logs(run / "multi"), single)


def curves_figure(comparison: Comparison, logs: RunLogs, *, palette: Palette) -> Figure | None:
    """Training loss and validation metric of up to `CURVES` tasks; None if nothing was logged."""
    from matplotlib.figure import Figure

    rows = [(task, _pairs(task, logs)) for task in extremes(comparison.tasks, CURVES)]
    rows = [row for row in rows if any(curve for pair in row[1] for curve in pair)]
    if not rows:
        return None
    figure = Figure(figsize=(WIDTH, 0.4 + 1.75 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 2, squeeze=False, sharex=True)
    for axes, (task, pairs) in zip(grid, rows, strict=True):
        titles = (f"{task.name}: training loss", f"{task.name}: validation {task.primary}")
        for panel, pair, title in zip(axes, pairs, titles, strict=True):
            _draw(panel, pair, title, palette)
    for panel in grid[-1]:
        panel.set_xlabel("share of training steps", color=palette.ink)
    _legend(figure, grid[0], palette)
    return figure


def _pairs(task: TaskComparison, logs: RunLogs) -> tuple[Pair, Pair]:
    return logs.losses(task.name), logs.metrics(task.name, task.primary)


def _draw(axes: Axes, pair: Pair, title: str, palette: Palette) -> None:
    styles = (("multi-task", palette.multi, "-"), ("single-task", palette.single, "--"))
    for curve, (label, colour, dash) in zip(pair, styles, strict=True):
        if curve is not None:
            dot = "o" if len(curve.share) == 1 else ""
            look: dict[str, Any] = {"color": colour, "linestyle": dash, "marker": dot}
            axes.plot(curve.share, curve.value, linewidth=1.6, label=label, **look)
    axes.set_title(title, fontsize=9, color=palette.ink, loc="left", parse_math=False)
    axes.set_xlim(0, 1)
    axes.grid(color=palette.faint, alpha=0.2)
    plain(axes, palette)


def _legend(figure: Figure, panels: Sequence[Axes], palette: Palette) -> None:
    handles = {label: line for x in panels for line, label in zip(*_shown(x), strict=True)}
    look: dict[str, Any] = {"ncols": 2, "frameon": False, "labelcolor": palette.ink}
    figure.legend(list(handles.values()), list(handles), loc="outside upper right", **look)


def _shown(axes: Axes) -> tuple[list[Artist], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    return list(handles), list(labels)
