"""Small encoded splits for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polytask.data import Batch, BatchSize, EncodedSplit, Stream, StreamOptions, Table
from polytask.data.inputs.columns import object_column
from polytask.data.mixtures import Mixture, Proportional
from polytask.fields import Dense, Ragged, Targets


def table(**columns: Any) -> Table:
    """Lists of numbers become numeric columns, others object columns."""
    made = {
        name: np.asarray(values)
        if all(isinstance(value, int | float) for value in values)
        else object_column(values)
        for name, values in columns.items()
    }
    return Table(made, "a.csv")


def targets(values: Sequence[float | None]) -> Targets:
    mask = torch.tensor([value is not None for value in values])
    return Targets(Dense(torch.tensor([float(value or 0) for value in values])), Dense(mask))


def split(name: str, rows: int, tasks: Mapping[str, Targets] | None = None) -> EncodedSplit:
    """Row i holds the number i; one task of the name by default, labelled everywhere."""
    found = tasks or {name: targets([float(row) for row in range(rows)])}
    ones = {task: torch.ones(rows) for task in found}
    losses = {task: target.measured.float() for task, target in found.items()}
    numeric = Dense(torch.arange(rows).float()[:, None])
    return EncodedSplit(name, {"numeric": numeric}, found, ones, losses)


def ragged_split(name: str, lengths: Sequence[int], *, fill: float = 0) -> EncodedSplit:
    rows = [torch.full((length,), row + 1) for row, length in enumerate(lengths)]
    plain = split(name, len(lengths))
    fields = {"input_ids": Ragged.from_rows(rows, fill=fill)}
    return EncodedSplit(name, fields, plain.targets, plain.row_weights, plain.loss_weights)


def stream(
    sizes: Mapping[str, int],
    mixture: Mixture | None = None,
    *,
    examples: int = 4,
    per_step: int | None = 1,
    joined: bool = False,
    seed: int = 0,
) -> Stream:
    options = StreamOptions(per_step=per_step, joined=joined, seed=seed)
    splits = {name: split(name, rows) for name, rows in sizes.items()}
    batch = dict.fromkeys(splits, BatchSize(examples=examples))
    return Stream(splits, mixture or Proportional(), batch, options)


def drawn(source: Stream, steps: int) -> list[dict[str, list[int]]]:
    """The rows of the next steps."""
    return [{k: v.tolist() for k, v in source.draw().rows.items()} for _ in range(steps)]


def contents(batch: Batch) -> dict[str, Any]:
    """Everything in a batch, as lists."""

    def lists(group: Mapping[str, Tensor | None]) -> dict[str, Any]:
        return {name: None if x is None else x.tolist() for name, x in group.items()}

    groups = (batch.fields, batch.rows, batch.targets, batch.masks, batch.weights)
    return {"ids": batch.ids.tolist(), "groups": [lists(group) for group in groups]}
