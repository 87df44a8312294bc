"""The report of a check for a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from polytask.data.check.finding import LEVELS, Finding, Level
from polytask.data.check.report import CheckReport

__all__ = ["check_view", "print_check"]

STYLES: dict[Level, str] = {"error": "bold red", "warning": "yellow", "note": "dim"}

SHOWN_NOTES = 40
"""Notes in the table; a table with hundreds of columns has hundreds of them."""


def print_check(
    report: CheckReport, console: Console | None = None, *, every_note: bool = False
) -> None:
    """Print the report of a check; see `check_view`."""
    (console or Console()).print(check_view(report, every_note=every_note))


def check_view(report: CheckReport, *, every_note: bool = False) -> RenderableType:
    """The verdict, then a table with errors first. Names are plain text: markup means nothing.

    Args:
        report: the report.
        every_note: show all notes; otherwise the first 40 of them.
    """
    notes = report.of("note")
    shown = notes if every_note else notes[:SHOWN_NOTES]
    table = Table("level", "kind", "where", "what")
    for finding in (*report.of("error"), *report.of("warning"), *shown):
        table.add_row(*_cells(finding))
    hidden = len(notes) - len(shown)
    more = [Text(f"... and {hidden} more notes", style="dim")] if hidden else []
    return Group(_verdict(report), table, *more)


def _cells(finding: Finding) -> tuple[Text, ...]:
    style = STYLES[finding.level]
    level, kind = Text(finding.level, style=style), Text(finding.kind)
    return level, kind, Text(finding.place), Text(finding.message)


def _verdict(report: CheckReport) -> Text:
    counts = [(level, report.count(level)) for level in LEVELS]
    said = ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts)
    start = "The data can be trained on" if report.ok else "The data cannot be used like this"
    return Text(f"{start}: {said}.", style="bold" if report.ok else "bold red")
