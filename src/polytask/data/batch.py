"""A batch: rows of one or several data sets, with the targets of the tasks they carry.

Shapes: B rows of the batch, R of them that carry a task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from polytask.data.encoded import EncodedSplit
from polytask.data.label_index import SPARSE
from polytask.fields import Field, Ragged

__all__ = ["Batch", "collate"]


@dataclass(frozen=True)
class Batch:
    """Named fields of B rows, and per task which rows carry it.

    Args:
        fields: field -> ``[B, ...]``; a field of sequences is padded and has its lengths ``[B]``
            beside it under ``<field>.length``.
        ids: ``[B]`` positions in the split of each row's data set.
        rows: task -> ``[R]`` positions in the batch, or None for all rows.
        targets: task -> ``[R, ...]``.
        masks: task -> as the targets; true where measured.
        weights: task -> ``[R]`` weight of each example.
    """

    fields: Mapping[str, Tensor]
    ids: Tensor
    rows: Mapping[str, Tensor | None]
    targets: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that this batch carries."""
        return tuple(self.rows)

    def map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with a function applied to every tensor."""
        return Batch(
            {name: function(value) for name, value in self.fields.items()},
            function(self.ids),
            {name: None if value is None else function(value) for name, value in self.rows.items()},
            *(
                {name: function(value) for name, value in group.items()}
                for group in (self.targets, self.masks, self.weights)
            ),
        )

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        if self.ids.device == device:
            return self
        # Towards the CPU, a copy that does not block could be read before it has arrived.
        return self.map(lambda value: value.to(device, non_blocking=device.type != "cpu"))


def collate(parts: Sequence[tuple[EncodedSplit, Tensor]]) -> Batch:
    """Gather rows ``[R]`` of one or several splits (with the same fields) into one batch."""
    batches = [_collate_one(split, rows) for split, rows in parts]
    return batches[0] if len(batches) == 1 else _join(batches, parts[0][0].fields)


def _collate_one(split: EncodedSplit, rows: Tensor) -> Batch:
    fields: dict[str, Tensor] = {}
    for name, field in split.fields.items():
        fields[name] = field.take(rows)
        if isinstance(field, Ragged):
            fields[f"{name}.length"] = field.offsets[rows + 1] - field.offsets[rows]
    chosen: dict[str, Tensor | None] = {}
    targets: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    carried = split.index.carried(rows)
    for task, positions in carried.positions.items():
        sparse = positions.shape[0] < SPARSE * rows.shape[0]
        chosen[task] = positions if sparse else None
        if sparse and task in carried.values:
            targets[task], masks[task] = carried.values[task], carried.masks[task]
            weights[task] = carried.weights[task]
            continue
        picked = rows.index_select(0, positions) if sparse else rows
        targets[task] = split.targets[task].values.take(picked)
        masks[task] = split.targets[task].mask.take(picked)
        weights[task] = split.row_weights[task].index_select(0, picked)
    return Batch(fields, rows, chosen, targets, masks, weights)


def _join(batches: Sequence[Batch], like: Mapping[str, Field]) -> Batch:
    """Rows of several data sets below each other; sequences padded to the longest of all."""
    fields: dict[str, Tensor] = {}
    for name in batches[0].fields:
        field = like.get(name)
        fill = field.fill if isinstance(field, Ragged) else None
        fields[name] = _stack([batch.fields[name] for batch in batches], fill)
    rows: dict[str, Tensor] = {}
    start = 0
    for batch in batches:
        for task, chosen in batch.rows.items():
            positions = torch.arange(len(batch)) if chosen is None else chosen
            rows[task] = positions + start
        start += len(batch)
    return Batch(
        fields,
        torch.cat([batch.ids for batch in batches]),
        rows,
        _merge(batch.targets for batch in batches),
        _merge(batch.masks for batch in batches),
        _merge(batch.weights for batch in batches),
    )


def _merge(groups: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {task: value for group in groups for task, value in group.items()}


def _stack(values: Sequence[Tensor], fill: float | None) -> Tensor:
    """Rows of several batches; sequences (those with a fill value) are padded to equal length."""
    if fill is None:
        return torch.cat(list(values))
    longest = max(value.shape[1] for value in values)
    return torch.cat([_pad(value, longest, fill) for value in values])


def _pad(values: Tensor, length: int, fill: float) -> Tensor:
    """``[B, T, ...]`` as ``[B, length, ...]``."""
    behind = (0, 0) * (values.ndim - 2)
    return F.pad(values, (*behind, 0, length - values.shape[1]), value=fill)
