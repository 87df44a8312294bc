"""What kind of target a column is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from polytask.recipe.guessing.column import Column
from polytask.tasks.outputs.labels import is_missing

__all__ = ["guess_output", "has_classes", "tag_scheme"]

MOST_CLASSES = 1000
"""More different labels than this are no classes."""

MOST_WHOLE = 20
"""More different whole numbers than this are amounts, not classes."""

UNBALANCED = 0.2
"""Share of the rarer of two classes below which accuracy says little."""

RARE = 20
"""Rows of a class below which a split may get none of them."""


def guess_output(
    column: Column, words: Column | None, *, training_rows: int | None
) -> dict[str, Any] | None:
    """The output of a task with this target, as a recipe writes it; None if it is no target.

    Args:
        column: the target.
        words: the words that are the input, if they are.
        training_rows: how many of the first rows are for training; None if splits are drawn.
    """
    if column.kind == "list of words":
        return _lists(column, words, training_rows)
    if column.kind == "list of numbers" or column.values.ndim > 1:
        return _vectors(column)
    if has_classes(column):
        return _classes(column, training_rows)
    if column.kind == "number" and not column.is_constant:
        return {"type": "regression", "primary": "r2"}
    return None


def has_classes(column: Column) -> bool:
    """Whether the values of a column are few enough to be classes."""
    few = 2 <= column.distinct <= min(MOST_CLASSES, max(2, column.measured / 2))
    if column.kind == "text":
        return few and not column.is_text and not column.is_date
    return few and column.is_whole and column.distinct <= MOST_WHOLE


def tag_scheme(rows: Iterable[list[str]]) -> str:
    """How tags mark entities: ``bio``, ``iob1``, ``bioes``, or ``plain`` if they do not.

    Example:
        >>> tag_scheme([["B-city", "I-city", "O"]]), tag_scheme([["NOUN", "O"]])
        ('bio', 'plain')
    """
    sentences = [[str(tag).partition("-") for tag in row if not is_missing(tag)] for row in rows]
    marked = {head for row in sentences for head, dash, _ in row if dash}
    bare = {head for row in sentences for head, dash, _ in row if not dash}
    if not marked or not bare <= {"O"} or not marked <= set("BIES"):
        return "plain"
    if marked & set("ES"):
        return "bioes"
    return "iob1" if _starts_inside(sentences) else "bio"


def _starts_inside(sentences: list[list[tuple[str, str, str]]]) -> bool:
    """Whether most entities start with I-, as in IOB1; a few are mistakes in BIO."""
    starts = inside = 0
    for row in sentences:
        before = ("O", "", "")
        for tag in row:
            follows = before[0] != "O" and before[2] == tag[2]
            starts += tag[0] == "B"
            inside += tag[0] == "I" and not follows
            before = tag
    return inside > starts


def _lists(
    column: Column, words: Column | None, training_rows: int | None
) -> dict[str, Any] | None:
    if not 2 <= column.distinct <= MOST_CLASSES:
        return None
    if words is None or not np.array_equal(words.lengths, column.lengths):
        return {"type": "multi_label"} if words is None else None
    scheme = tag_scheme(column.cells)
    output = {"type": "tagging"} if scheme == "plain" else {"type": "tagging", "scheme": scheme}
    return {**output, **_unknown(column, training_rows)}


def _vectors(column: Column) -> dict[str, Any] | None:
    if column.values.ndim > 2:
        return None
    cells = column.cells
    numbers = {number for cell in cells for number in np.unique(np.asarray(cell, dtype=float))}
    same = len({len(cell) for cell in cells}) == 1
    if not same:
        return None
    return {"type": "multi_label" if numbers <= {0.0, 1.0} else "regression"}


def _classes(column: Column, training_rows: int | None) -> dict[str, Any]:
    output: dict[str, Any] = {"type": "classification"}
    if column.distinct == 2 and column.rarest < UNBALANCED * column.measured:
        output["primary"] = "auroc"
    return {**output, **_unknown(column, training_rows)}


def _unknown(column: Column, training_rows: int | None) -> dict[str, str]:
    """The option for labels that training may not have."""
    if training_rows is None:
        return {"unknown": "wrong"} if column.rarest < RARE and column.distinct > 2 else {}
    train = Column(column.name, column.values[:training_rows])
    return {"unknown": "wrong"} if set(column.counts) - set(train.counts) else {}
