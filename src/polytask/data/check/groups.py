"""Groups, such as the recordings of one person, that are on two sides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding, Level
from polytask.data.check.values import count_values
from polytask.data.check.wording import listed, quoted
from polytask.data.table import Table

__all__ = ["find", "looks_like_group"]

NAMES = {"subject", "patient", "participant", "person", "speaker", "user", "author", "session"}


def looks_like_group(name: str) -> bool:
    """Whether a column's name says that its values are people, or something else that comes again.

    Example:
        >>> looks_like_group("subject#"), looks_like_group("subjective")
        (True, False)
    """
    return bool(NAMES & {word.lower() for word in re.findall(r"[A-Za-z][a-z]*", name)})


def find(examined: Examined) -> Iterator[Finding]:
    """An error for a declared group column, a warning for one that is named like one."""
    for name in examined.train.columns:
        declared = name == examined.group
        if declared or (looks_like_group(name) and not _has_a_use(examined, name)):
            for split, table in examined.others.items():
                yield from _shared(examined, name, split, table, declared=declared)


def _has_a_use(examined: Examined, name: str) -> bool:
    """Whether a task predicts the column or is told apart by it; then splits must share values."""
    return any(name == task.target_column or name in task.where for task in examined.tasks)


def _shared(
    examined: Examined, name: str, split: str, table: Table, *, declared: bool
) -> Iterator[Finding]:
    if name not in table.columns:
        return
    train = count_values(examined.train.columns[name])
    here = count_values(table.columns[name])
    both = [value for value in here if value in train]
    repeated = len(train) * 2 <= len(examined.train)
    if not both or not (declared or repeated):
        return
    level: Level = "error" if declared else "warning"
    hint = "" if declared else f"; if the model is for new ones, split with group: {name}"
    yield Finding(
        level=level,
        kind="groups",
        message=(
            f"{len(both):,} of {len(here):,} values are in training too "
            f"({listed(map(quoted, both), most=3)}){hint}"
        ),
        data=examined.name,
        split=split,
        column=name,
        details={"shared": len(both), "groups": len(here)},
    )
