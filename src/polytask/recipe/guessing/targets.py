"""Which columns of a table should be predicted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from polytask.recipe.guessing.column import Column

__all__ = ["targets_of_media", "targets_of_table"]

NAMES = {
    *("target", "targets", "label", "labels", "class", "classes", "outcome", "response", "output"),
    *("score", "scores", "salary", "income", "price", "survived", "churn", "diagnosis", "intent"),
    *("sentiment", "emotion", "quality", "rating", "grade", "category", "topic", "slots", "tags"),
}
"""Words in the name of a column that say that it is predicted."""

WEAK = {"total", "overall", "final", "result"}
"""Words that say so if no other column has one of `NAMES`."""

Usable = Callable[[Column], bool]


def targets_of_media(
    columns: Sequence[Column], is_class: Usable, is_usable: Usable
) -> tuple[list[Column], str]:
    """The targets beside a text, picture, sound or molecule, and why they were chosen.

    All columns with classes; numbers only if they are named like a target, or there are no classes.
    """
    usable = [column for column in columns if is_usable(column)]
    chosen = [column for column in usable if is_class(column) or _named(column, NAMES)]
    if chosen:
        return chosen, "Every other column with few different values became a task."
    return usable, "Every other column of numbers became a task."


def targets_of_table(columns: Sequence[Column], is_usable: Usable) -> tuple[list[Column], str]:
    """The targets among numbers and categories, and why they were chosen.

    The first of these ways that finds any. At least one column stays an input.

    1. 0/1 columns with missing values, if there are several.
    2. Columns named like a target, and the columns of two words (yes, no) that stand beside them at
       the end of the table, behind the numbers. 0/1 columns there may be parts of a category.
    3. Columns that are weakly named like a target, and their neighbours whose names end alike.
    4. The last column, and the columns of two words or of 0 and 1 right before it, behind the
       numbers.
    """
    ways: tuple[tuple[list[Column], str], ...] = (
        (_assays(columns), "0/1 columns with missing values became tasks."),
        _named_or_beside(columns),
        (_with_siblings(columns), "Columns named like a target became tasks."),
        (
            _at_the_end(columns),
            "The last column, and columns of two values before it, became tasks.",
        ),
    )
    for found, reason in ways:
        usable = [column for column in found if is_usable(column)]
        if 0 < len(usable) < len(columns):
            return usable, reason
    return [], ""


def _named(column: Column, names: set[str]) -> bool:
    words = {word.lower() for word in re.findall(r"[A-Za-z]+", column.name)}
    return bool(words & names) or re.fullmatch(r"[yY]\d*", column.name) is not None


def _assays(columns: Sequence[Column]) -> list[Column]:
    found = [column for column in columns if column.is_binary and column.has_missing]
    return found if len(found) > 1 else []


def _with_siblings(columns: Sequence[Column]) -> list[Column]:
    """Weakly named columns, and their neighbours whose names end like them (motor_X, total_X)."""
    chosen = {index for index, column in enumerate(columns) if _named(column, WEAK)}
    for index in sorted(chosen):
        for near in (index - 1, index + 1):
            if 0 <= near < len(columns) and _ending(columns[near]) == _ending(columns[index]):
                chosen.add(near)
    return [columns[index] for index in sorted(chosen)]


def _ending(column: Column) -> str:
    return re.split(r"[\W_]+", column.name)[-1]


def _named_or_beside(columns: Sequence[Column]) -> tuple[list[Column], str]:
    named = {column.name for column in columns if _named(column, NAMES)}
    late = {c.name for c in _late(columns, lambda c: c.name in named or c.is_two_words)}
    chosen = named | late if named & late else named
    reason = "Columns named like a target became tasks"
    if chosen != named:
        reason += ", and columns of two words beside them at the end, behind the numbers"
    return [column for column in columns if column.name in chosen], f"{reason}."


def _at_the_end(columns: Sequence[Column]) -> list[Column]:
    last = columns[-1].name if columns else ""
    late = _late(columns, lambda c: c.name == last or c.is_binary or c.is_two_words)
    return late or list(columns[-1:])


def _late(columns: Sequence[Column], belongs: Usable) -> list[Column]:
    """The columns at the end that belong together, if there are numbers before them."""
    start = len(columns)
    while start > 0 and belongs(columns[start - 1]):
        start -= 1
    return list(columns[start:]) if any(c.kind != "text" for c in columns[:start]) else []
