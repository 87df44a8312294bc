"""Cells that hold several labels, as a matrix of yes, no and not measured.

Shapes: N rows, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polytask.errors import InputError, unknown
from polytask.tasks.outputs.base import Place
from polytask.tasks.outputs.labels import Label, choose_classes, find_classes, is_missing, to_label
from polytask.tasks.outputs.numbers import numbers

__all__ = ["Cells", "label_matrix", "label_names", "split_labels"]

Cells = np.ndarray | list[list[Label] | None]
"""A matrix ``[N, C]`` of 0, 1 and NaN, or the labels of each row (None: not measured)."""


def split_labels(values: np.ndarray, separator: str, place: Place) -> Cells:
    """A target column as a matrix, or as one list of labels per row.

    Raises:
        InputError: a cell is neither text nor a list, or a number of a matrix is not 0 or 1.
    """
    if values.ndim == 2:
        matrix = numbers(values, place)
        wrong = np.flatnonzero(~(np.isin(matrix, (0, 1)) | np.isnan(matrix)).all(axis=1))
        if len(wrong):
            raise InputError(f"{place(int(wrong[0]))}: a label must be 0, 1 or missing")
        return matrix
    return [_labels(cell, separator, place, row) for row, cell in enumerate(values)]


def _labels(cell: Any, separator: str, place: Place, row: int) -> list[Label] | None:
    if is_missing(cell):
        return None
    if isinstance(cell, str):
        return [part.strip() for part in cell.split(separator) if part.strip()]
    if not isinstance(cell, Sequence | np.ndarray):
        raise InputError(f"{place(row)}: expected a list of labels or text, got {cell!r}")
    return [to_label(label, where=place(row)) for label in cell]


def label_names(cells: Cells, given: Sequence[Label] | None, *, where: str) -> tuple[Label, ...]:
    """The labels of a task: those given, else those found in training.

    Raises:
        InputError: no label is found, or the given ones do not fit the column.
    """
    if isinstance(cells, np.ndarray):
        names = tuple(given) if given is not None else tuple(range(cells.shape[1]))
        if len(names) != cells.shape[1]:
            raise InputError(f"{where}: {len(names)} classes for {cells.shape[1]} columns")
        return names
    found = find_classes((label for cell in cells for label in cell or ()), where=where)
    if not found:
        raise InputError(f"{where}: no label was found in training")
    return choose_classes(given, found, where=where)


def label_matrix(
    cells: Cells, classes: Sequence[Label], place: Place, *, unseen: bool = False
) -> np.ndarray:
    """``[N, C]`` float64: 1 where a label holds, 0 where not, NaN where not measured.

    Args:
        cells: the labels of each row.
        classes: the labels of training.
        place: tells where a row stands, for messages.
        unseen: whether a further column tells how many labels that are no class a row has, NaN
            where it has none; by default such a label is an error.

    Raises:
        InputError: a label that is no class, or a matrix with another number of columns.
    """
    if isinstance(cells, np.ndarray):
        if cells.shape[1] != len(classes):
            raise InputError(f"{place(0)}: {cells.shape[1]} columns for {len(classes)} classes")
        return np.pad(cells, ((0, 0), (0, int(unseen))), constant_values=np.nan)
    number = {label: index for index, label in enumerate(classes)}
    matrix = np.full((len(cells), len(classes) + unseen), np.nan)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        matrix[row, : len(classes)] = 0
        matrix[row, [number[label] for label in cell if label in number]] = 1
        others = dict.fromkeys(label for label in cell if label not in number)
        if others and not unseen:
            raise unknown("label", next(iter(others)), classes, where=place(row))
        if others:
            matrix[row, -1] = len(others)
    return matrix
