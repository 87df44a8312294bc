"""The forest plot: what training together changed, task by task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polytask.evaluation import Comparison, TaskComparison
from polytask.report.order import by_gain
from polytask.report.palette import PAPER, WIDTH, Palette
from polytask.report.svg import quiet_fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["changes_figure", "plot_changes"]

NAMED = 40
"""Most tasks of a panel whose names are written: more would be unreadable."""

ROW = 0.28
"""Height of a named row in inches."""

MARKERS = {"helped": "^", "hurt": "v", "unchanged": "o", "unknown": "x"}


def plot_changes(comparison: Comparison, file: Path, *, palette: Palette = PAPER) -> None:
    """Save the forest plot as a picture; the file's ending tells the format.

    Args:
        comparison: with single-task models.
        file: for example ``changes.png``.
        palette: the colours.

    Raises:
        ValueError: there are no single-task models, so nothing changed.
    """
    figure = changes_figure(comparison, palette=palette)
    if figure is None:
        raise ValueError("there are no single-task models to show changes against")
    with quiet_fonts():
        figure.savefig(file, dpi=150)


def changes_figure(comparison: Comparison, *, palette: Palette) -> Figure | None:
    """One panel per primary metric, since changes of different metrics have different units.

    The right side is always better: changes of errors are turned around.
    """
    from matplotlib.figure import Figure

    groups: dict[str, list[TaskComparison]] = {}
    for task in comparison.tasks:
        if task.gain is not None and task.gain.value is not None:
            groups.setdefault(task.primary, []).append(task)
    if not groups:
        return None
    heights = [_height(len(group)) for group in groups.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (metric, group) in zip(panels, groups.items(), strict=True):
        _draw(axes, by_gain(group), palette)
        _style(axes, metric, better=group[0].higher_is_better, palette=palette)
    return figure


def _height(tasks: int) -> float:
    """Of a panel in inches, with 0.75 for its axis and title."""
    return 0.75 + ROW * max(1.5, min(tasks, NAMED / 2 if tasks > NAMED else NAMED))


def _draw(axes: Axes, tasks: Sequence[TaskComparison], palette: Palette) -> None:
    many = len(tasks) > NAMED
    for verdict, marker in MARKERS.items():
        colour = {"helped": palette.multi, "hurt": palette.single}.get(verdict, palette.faint)
        gains = [(i, task.gain) for i, task in enumerate(tasks) if task.verdict == verdict]
        points = [(row, gain.value or 0.0) for row, gain in gains if gain]
        lines = [(row, gain.interval) for row, gain in gains if gain and gain.interval]
        rows, ends = [row for row, _ in lines], [(line.low, line.high) for _, line in lines]
        low, high = zip(*ends, strict=True) if ends else ((), ())
        axes.hlines(rows, low, high, color=colour, linewidth=0.8 if many else 2)
        look: dict[str, Any] = {"marker": marker, "markersize": 3 if many else 7}
        axes.plot([x for _, x in points], [y for y, _ in points], color=colour, ls="", **look)
    _name_rows(axes, tasks, palette, many=many)


def _name_rows(
    axes: Axes, tasks: Sequence[TaskComparison], palette: Palette, *, many: bool
) -> None:
    axes.axvline(0, color=palette.ink, linewidth=1)
    axes.set_ylim(-0.7, len(tasks) - 0.3)
    names = [] if many else [task.name for task in tasks]
    axes.set_yticks(range(len(names)), labels=names, parse_math=False)
    if many:
        axes.set_ylabel(f"{len(tasks)} tasks, ordered", color=palette.ink)


def _style(axes: Axes, metric: str, *, better: bool, palette: Palette) -> None:
    turned = "" if better else ", turned around"
    title = f"change in {metric}{turned} (right of zero: multi-task is better)"
    axes.set_xlabel(title, color=palette.ink, parse_math=False)
    plain(axes, palette)
    axes.grid(axis="x", color=palette.faint, alpha=0.25)


def plain(axes: Axes, palette: Palette) -> None:
    """Two thin axes, and text in the colour of the page."""
    axes.tick_params(colors=palette.ink, labelcolor=palette.ink)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(palette.faint)
