"""Rows per split."""

from __future__ import annotations

from collections.abc import Iterator

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding

__all__ = ["find"]

FEW = 50
"""Test examples below which one of them moves an accuracy by more than two points."""


def find(examined: Examined) -> Iterator[Finding]:
    """How many rows there are; warns of a split that is absent or small."""
    rows = {split: len(table) for split, table in examined.data.tables.items()}
    said = ", ".join(f"{split} {count:,}" for split, count in rows.items())
    yield Finding(
        level="note",
        kind="sizes",
        message=f"rows: {said}",
        data=examined.name,
        details={"rows": rows},
    )
    if "validation" not in rows:
        message = "there is no validation split: the last weights are kept, not the best"
        yield _warning(examined, message)
    if "test" not in rows:
        yield _warning(examined, "there is no test split: nothing is compared at the end")
    elif rows["test"] < FEW:
        yield _warning(examined, f"{rows['test']} test rows: differences will not be significant")


def _warning(examined: Examined, message: str) -> Finding:
    return Finding(level="warning", kind="sizes", message=message, data=examined.name)
