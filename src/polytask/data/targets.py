"""From the target column of a task to tensors: values, mask and weights.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Field, Ragged, Targets
from polytask.tasks import Task

__all__ = ["check_words", "encode_targets", "example_weights", "loss_weights", "target_values"]

WORDS = "word_starts"
"""The field that has one entry per word, see `polytask.fields.TextEncoder.words`."""


def target_values(table: Table, task: Task) -> np.ndarray:
    """The target column of a task; rows that its ``where`` excludes are missing.

    Raises:
        InputError: a column does not exist.
    """
    values = table.column(task.target_column)
    if not task.where:
        return values
    keep = np.ones(len(table), dtype=bool)
    for column, wanted in task.where.items():
        keep &= np.asarray(table.column(column) == wanted)
    if values.dtype == object:
        chosen = np.full(len(values), None, dtype=object)
        chosen[keep] = values[keep]
        return chosen
    floats = values.astype(np.float64)
    floats[~keep] = np.nan
    return floats


def encode_targets(table: Table, task: Task) -> Targets:
    """The targets of a task in every row.

    Raises:
        InputError: a target that the fitted task does not know, with its place.
    """

    def place(row: int) -> str:
        return f"{table.place(row)}: task {task.name!r}"

    return task.output.encode(target_values(table, task), place)


def check_words(table: Table, task: Task, targets: Targets, fields: Mapping[str, Field]) -> None:
    """Refuse a row with more or fewer targets than words; a row without any is not measured.

    Raises:
        InputError: names the row, or the input is not split into words.
    """
    words, values = fields.get(WORDS), targets.values
    if not isinstance(words, Ragged) or not isinstance(values, Ragged):
        raise InputError(
            f"{table.origin}: task {task.name!r} predicts one target per word; "
            "it needs an input that is split into words (input type 'words')"
        )
    wrong = (values.lengths > 0) & (values.lengths != words.lengths)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise InputError(
            f"{table.place(row)}: task {task.name!r}: column {task.target_column!r} has "
            f"{int(values.lengths[row])} targets for {int(words.lengths[row])} words"
        )


def example_weights(table: Table, task: Task) -> Tensor:
    """``[N]`` the weight of each row in a task's loss; 1 for a task without such a column.

    Raises:
        InputError: a weight is missing, negative or no number.
    """
    if task.example_weight is None:
        return torch.ones(len(table))
    values = table.column(task.example_weight)
    name = f"column {task.example_weight!r} (example_weight of task {task.name!r})"
    if values.dtype == object or values.ndim != 1:
        raise InputError(f"{table.origin}: {name} must hold numbers")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        place = table.place(int(wrong[0]))
        raise InputError(f"{place}: {name} must be a number from 0 up, got {values[wrong[0]]}")
    return torch.from_numpy(values.astype(np.float32))


def loss_weights(task: Task, targets: Targets) -> Tensor:
    """``[N]`` the sum of the loss weights of each row, class weights included."""
    weights = task.output.weights(targets.values.values, targets.mask.values)
    if isinstance(targets.mask, Ragged):
        return targets.mask.row_sums(weights)
    return weights.reshape(len(weights), -1).sum(dim=1)
