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

    In this order: 0/1 columns side by side with missing values; columns named like a target;
    the last column with the 0/1 columns before it. At least one column stays an input.
    """
    ways: tuple[tuple[list[Column], str], ...] = (
        (_assays(columns), "0/1 columns with missing values became tasks."),
        ([c for c in columns if _named(c, NAMES)], "Columns named like a target became tasks."),
        (_with_siblings(columns), "Columns named like a target became tasks."),
        (_at_the_end(columns), "The last column, and 0/1 columns before it, became tasks."),
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


def _at_the_end(columns: Sequence[Column]) -> list[Column]:
    start = len(columns) - 1
    while start > 0 and columns[start - 1].is_binary:
        start -= 1
    return list(columns[max(start, 0) :])
