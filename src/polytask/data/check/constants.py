"""Input columns that say nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.values import present
from polytask.data.check.wording import quoted

__all__ = ["find"]


def find(examined: Examined) -> Iterator[Finding]:
    """Columns that hold one value in all training rows (missing is a value of its own)."""
    for name in examined.columns:
        column = examined.train.columns[name]
        if len(column) > 1 and _is_constant(column):
            yield Finding(
                level="warning",
                kind="constants",
                message=f"is {quoted(column[0])} in every training row",
                data=examined.name,
                split="train",
                column=name,
            )


def _is_constant(column: np.ndarray) -> bool:
    there = present(column)
    if there.all() != there.any():
        return False
    if not there.any():
        return True
    if column.dtype != object:
        return bool((column == column[0]).all())
    return all(np.array_equal(value, column[0]) for value in column)
