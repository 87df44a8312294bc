"""One thing that a check has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["LEVELS", "Finding", "Level"]

Level = Literal["error", "warning", "note"]

LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""From worst to mildest: training would fail or be pointless; results may mislead; good to know."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check has found.

    Args:
        level: how bad it is.
        kind: the check that found it, for example ``overlap``.
        message: for a person; a sentence without a full stop.
        data: the data set, or nothing if it concerns several.
        split: train, validation or test.
        column: of the table.
        task: the task's name.
        details: the numbers behind the message; JSON values only.

    Example:
        >>> Finding(level="note", kind="sizes", message="3 rows", data="mail", split="train").place
        'mail, train'
    """

    level: Level
    kind: str
    message: str
    data: str = ""
    split: str | None = None
    column: str | None = None
    task: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it is: data set, split, task and column, as far as they matter."""
        task = None if self.task is None else f"task {self.task}"
        column = None if self.column is None else f"column {self.column}"
        return ", ".join(part for part in (self.data, self.split, task, column) if part)
