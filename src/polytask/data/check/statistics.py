"""Ranges of numbers and sizes of categories in the input columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding, Level
from polytask.data.check.wording import listed, number, percent, quoted
from polytask.data.inputs.columns import categories, category_numbers
from polytask.data.inputs.features import Features

__all__ = ["find"]

MANY = 20
"""Numeric columns from which one line describes them all."""

NEW = 0.05
"""Share of rows with a category that training does not have from which it is worth a warning."""

UNIQUE = 0.5
"""Distinct categories per row from which a column is more of an identifier."""


def find(examined: Examined) -> Iterator[Finding]:
    """For numeric columns the range, for categorical ones how many there are and which are new."""
    made = examined.data.input
    if isinstance(made, Features):
        yield from _ranges(examined, [name for name in made.numeric if name in examined.columns])
        for name in made.categorical:
            if name in examined.columns:
                yield from _categories(examined, name)


def _ranges(examined: Examined, names: Sequence[str]) -> Iterator[Finding]:
    found = {name: _range(examined.train.columns[name]) for name in names}
    ranges = {name: ends for name, ends in found.items() if ends}
    if len(ranges) > MANY:
        low, high = (pick(ends[i] for ends in ranges.values()) for i, pick in enumerate((min, max)))
        message = f"{len(ranges):,} numeric columns, from {number(low)} to {number(high)}"
        yield _finding(examined, "note", message, {"ranges": _plain(ranges)})
        return
    for name, (low, high) in ranges.items():
        message = f"numbers from {number(low)} to {number(high)}"
        yield _finding(examined, "note", message, {"range": [low, high]}, column=name)


def _range(column: np.ndarray) -> tuple[float, float] | None:
    if column.dtype == object:
        return None
    finite = column[np.isfinite(column)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None


def _plain(ranges: Mapping[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: list(ends) for name, ends in ranges.items()}


def _categories(examined: Examined, name: str) -> Iterator[Finding]:
    train = examined.train.columns[name]
    known = categories(train)
    level: Level = "warning" if len(known) > max(UNIQUE * len(train), 2) else "note"
    said = f"{len(known):,} categories ({listed(map(quoted, known), most=3)})"
    hint = "; nearly one per row: an identifier?" if level == "warning" else ""
    details = {"categories": len(known)}
    yield _finding(examined, level, said + hint, details, column=name)
    for split in examined.others:
        yield from _new(examined, name, split, known)


def _new(examined: Examined, name: str, split: str, known: Sequence[str]) -> Iterator[Finding]:
    column = examined.data.tables[split].columns[name]
    rows = int((category_numbers(column, known) == 0).sum())
    if not rows:
        return
    new = sorted(set(categories(column)) - set(known))
    message = (
        f"{len(new):,} categories that training does not have ({listed(map(quoted, new), most=3)}) "
        f"in {rows:,} rows ({percent(rows, len(column))}): they become unknown"
    )
    level: Level = "warning" if rows > NEW * len(column) else "note"
    yield _finding(examined, level, message, {"rows": rows}, column=name, split=split)


def _finding(
    examined: Examined,
    level: Level,
    message: str,
    details: Mapping[str, object],
    *,
    column: str | None = None,
    split: str | None = None,
) -> Finding:
    return Finding(
        level=level,
        kind="statistics",
        message=message,
        data=examined.name,
        split=split,
        column=column,
        details=details,
    )
