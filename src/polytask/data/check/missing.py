"""Targets that were not measured and input cells that are empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding, Level
from polytask.data.check.values import present
from polytask.data.check.wording import percent

__all__ = ["find"]

MOST = 0.5
"""Share of missing cells of an input column from which it is doubtful that it helps."""


def find(examined: Examined) -> Iterator[Finding]:
    """The missing share of every target and input column that has missing cells."""
    for task in examined.tasks:
        shares = _missing(examined.targets[task.name])
        if any(shares.values()):
            message = f"not measured: {_said(shares)}"
            yield _finding(examined, "note", message, shares, task=task.name)
    for name in examined.columns:
        tables = examined.data.tables.items()
        shares = _missing({split: table.columns[name] for split, table in tables})
        if any(shares.values()):
            level: Level = "warning" if shares["train"] > MOST else "note"
            yield _finding(examined, level, f"empty: {_said(shares)}", shares, column=name)


def _missing(columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Split -> share of missing cells."""
    return {split: 1 - float(present(column).mean()) for split, column in columns.items()}


def _said(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{split} {percent(share, 1)}" for split, share in shares.items())


def _finding(
    examined: Examined,
    level: Level,
    message: str,
    shares: Mapping[str, float],
    *,
    task: str | None = None,
    column: str | None = None,
) -> Finding:
    return Finding(
        level=level,
        kind="missing",
        message=message,
        data=examined.name,
        task=task,
        column=column,
        details={"missing": dict(shares)},
    )
