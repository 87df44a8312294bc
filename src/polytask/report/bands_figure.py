"""The curves of very many tasks in one panel: their median and middle half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from polytask.evaluation import Comparison, TaskComparison
from polytask.report.changes import plain
from polytask.report.curve import Curve
from polytask.report.curves_figure import CURVES, RunLogs
from polytask.report.palette import WIDTH, Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bands_figure"]

GRID = np.linspace(0.02, 1, 50)
"""Shares of training steps at which curves of different tasks are read off."""


def bands_figure(comparison: Comparison, logs: RunLogs, *, palette: Palette) -> Figure | None:
    """One panel per primary metric that more than `CURVES` tasks have; None if there is none."""
    from matplotlib.figure import Figure

    groups: dict[str, list[TaskComparison]] = {}
    for task in comparison.tasks:
        groups.setdefault(task.primary, []).append(task)
    large = {name: group for name, group in groups.items() if len(group) > CURVES}
    if not large or not logs.multi:
        return None
    figure = Figure(figsize=(WIDTH, 0.3 + 2.4 * len(large)), layout="constrained")
    panels = figure.subplots(len(large), 1, squeeze=False)[:, 0]
    for axes, (metric, group) in zip(panels, large.items(), strict=True):
        pairs = [logs.metrics(task.name, metric) for task in group]
        _band(axes, [pair[0] for pair in pairs], "multi-task", palette.multi, "-")
        _band(axes, [pair[1] for pair in pairs], "single-task", palette.single, "--")
        title = f"validation {metric}: median and middle half of {len(group)} tasks"
        axes.set_title(title, fontsize=9, color=palette.ink, loc="left", parse_math=False)
        axes.set_xlabel("share of training steps", color=palette.ink)
        if axes.lines:
            axes.legend(frameon=False, labelcolor=palette.ink)
        plain(axes, palette)
    return figure


def _band(axes: Axes, curves: Sequence[Curve | None], label: str, colour: str, dash: str) -> None:
    found = [np.interp(GRID, x.share, x.value) for x in curves if x is not None]
    if found:
        low, middle, high = np.quantile(np.stack(found), [0.25, 0.5, 0.75], axis=0)
        axes.fill_between(GRID, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(GRID, middle, color=colour, linestyle=dash, label=label)
