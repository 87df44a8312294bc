"""One split of a data set as tensors, ready to be gathered into batches.

Shapes: N rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polytask.data.inputs.base import Input
from polytask.data.label_index import LabelIndex
from polytask.data.table import Table
from polytask.data.targets import check_words, encode_targets, example_weights, loss_weights
from polytask.fields import Field, Ragged, Targets, TextEncoder
from polytask.tasks import Task

__all__ = ["EncodedSplit", "encode_split"]


@dataclass(frozen=True)
class EncodedSplit:
    """The fields of every row, and the targets of every task.

    Args:
        data: name of the data set.
        fields: field name -> encoded column.
        targets: task -> targets and mask.
        row_weights: task -> ``[N]`` weight of each row in the task's loss (its example weight).
        loss_weights: task -> ``[N]`` sum of the loss weights of each row; what the loss is divided
            by.
    """

    data: str
    fields: Mapping[str, Field]
    targets: Mapping[str, Targets]
    row_weights: Mapping[str, Tensor]
    loss_weights: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    @property
    def lengths(self) -> Tensor:
        """``[N]`` the length of each row in its longest field of sequences; 1 without any."""
        ragged = [field.lengths for field in self.fields.values() if isinstance(field, Ragged)]
        return torch.stack(ragged).amax(0) if ragged else torch.ones(len(self), dtype=torch.long)

    def only(self, tasks: Iterable[str]) -> EncodedSplit:
        """The same rows with the targets of these tasks alone."""
        names = [name for name in tasks if name in self.targets]
        return EncodedSplit(
            self.data,
            self.fields,
            {name: self.targets[name] for name in names},
            {name: self.row_weights[name] for name in names},
            {name: self.loss_weights[name] for name in names},
        )

    @cached_property
    def digest(self) -> str:
        """A checksum of fields, targets and weights: tells whether the data is still the same."""
        columns = [*self.fields.values(), *self.row_weights.values()]
        for target in self.targets.values():
            columns += [target.values, target.mask]
        found = hashlib.sha256()
        for column in columns:
            for tensor in _tensors(column):
                found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    @cached_property
    def index(self) -> LabelIndex:
        """Which tasks each row carries."""
        return LabelIndex.build(len(self), self.targets, self.row_weights, self.loss_weights)


def _tensors(column: Field | Tensor) -> list[Tensor]:
    if isinstance(column, Tensor):
        return [column]
    return [column.values, column.offsets] if isinstance(column, Ragged) else [column.values]


def encode_split(
    data: str, table: Table, source: Input, tasks: Iterable[Task], text: TextEncoder | None = None
) -> EncodedSplit:
    """Encode the inputs and the targets of one split.

    Args:
        data: name of the data set, for messages.
        table: the rows.
        source: the fitted input.
        tasks: the fitted tasks whose targets are in this table.
        text: the backbone's text encoder, if it has one.

    Raises:
        InputError: a value that cannot be encoded, with its place.
    """
    chosen = list(tasks)
    fields = source.encode(table, text)
    targets = {task.name: encode_targets(table, task) for task in chosen}
    for task in chosen:
        if task.output.level == "word":
            check_words(table, task, targets[task.name], fields)
    row_weights = {task.name: example_weights(table, task) for task in chosen}
    losses = {
        task.name: loss_weights(task, targets[task.name]) * row_weights[task.name]
        for task in chosen
    }
    return EncodedSplit(data, fields, targets, row_weights, losses)
