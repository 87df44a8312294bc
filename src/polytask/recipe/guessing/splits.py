"""How rows are told apart into training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.recipe.guessing.column import Column
from polytask.recipe.guessing.groups import SPLIT_OF

__all__ = ["guess_split", "split_column"]

SMALL = 200
"""Rows below which a tenth of them is too few for a test."""


def split_column(columns: Mapping[str, Column]) -> str | None:
    """A column that tells the split of each row."""
    for name, column in columns.items():
        words = [str(value).lower() for value in column.counts] if column.kind == "text" else []
        splits = [SPLIT_OF.get(word) for word in words]
        if "train" in splits and None not in splits and len(set(splits)) == len(splits) > 1:
            return name
    return None


def guess_split(
    columns: Mapping[str, Column], given: set[str], *, rows: int, group: str | None
) -> tuple[dict[str, Any] | None, list[str]]:
    """The split of a data set, as a recipe writes it, and what was guessed.

    Args:
        columns: of the data set.
        given: the splits for which there are files.
        rows: of all files.
        group: a column whose values belong together.
    """
    told = split_column(columns) if not given else None
    if told is not None:
        return _by_column(columns[told])
    fractions = _fractions(given, rows)
    if fractions is None:
        return None, []
    split: dict[str, Any] = {"fractions": fractions, "seed": 0}
    if given:
        absent = next(name for name in fractions if name != "train")
        return split, [f"There is no {absent} file: a part of the training rows is taken."]
    if group is not None:
        split["group"] = group
        return split, [f"All rows with the same {group} are in the same split: see whose they are."]
    return split, ["The files tell no splits, so they are drawn at random."]


def _fractions(given: set[str], rows: int) -> dict[str, float] | None:
    if {"validation", "test"} <= given:
        return None
    if given:
        return {"train": 0.9, "test" if "validation" in given else "validation": 0.1}
    share = 0.2 if rows < SMALL else 0.1
    return {"train": round(1 - 2 * share, 1), "validation": share, "test": share}


def _by_column(column: Column) -> tuple[dict[str, Any], list[str]]:
    values = {SPLIT_OF[str(value).lower()]: value for value in column.counts}
    split: dict[str, Any] = {"column": column.name}
    if any(split != value for split, value in values.items()):
        split["values"] = values
    return split, [f"The column {column.name} tells the split of each row."]
