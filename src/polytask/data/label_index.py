"""Which tasks each row carries, found once, so that a batch costs what it carries and no more.

Shapes: N rows of a split, K tasks, E pairs of a row and a task that has a target there,
B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polytask.fields import Dense, Ragged, Targets

__all__ = ["LabelIndex", "row_sums"]


@dataclass(frozen=True)
class LabelIndex:
    """The tasks of every row, row by row.

    Args:
        names: ``[K]`` the tasks.
        offsets: ``[N + 1]`` where the pairs of each row start.
        tasks: ``[E]`` the number of the task of each pair.
        weights: ``[E]`` the loss weight of the row in that task.
    """

    names: tuple[str, ...]
    offsets: np.ndarray
    tasks: np.ndarray
    weights: np.ndarray

    @staticmethod
    def build(
        rows: int, targets: Mapping[str, Targets], weights: Mapping[str, Tensor]
    ) -> LabelIndex:
        """Find the tasks of every row.

        Args:
            rows: N.
            targets: task -> targets and mask of every row.
            weights: task -> ``[N]`` sum of the loss weights of each row.
        """
        found = np.zeros((rows, len(targets)), dtype=bool)
        losses = np.zeros((rows, len(targets)), dtype=np.float32)
        for number, (name, target) in enumerate(targets.items()):
            found[:, number] = _measured_rows(target).numpy()
            losses[:, number] = weights[name].numpy()
        offsets = np.concatenate([[0], found.sum(axis=1).cumsum()])
        return LabelIndex(
            tuple(targets), offsets, np.nonzero(found)[1].astype(np.int32), losses[found]
        )

    @property
    def labelled(self) -> Tensor:
        """``[N]`` true for rows in which any task has a target."""
        return torch.from_numpy(np.diff(self.offsets) > 0)

    def carried(self, rows: Tensor) -> dict[str, Tensor]:
        """Task -> positions in ``rows [B]`` where it has a target, for the tasks that have any."""
        pairs, owners = self._pairs(rows)
        numbers = self.tasks[pairs]
        order = np.argsort(numbers, kind="stable")
        positions = torch.from_numpy(owners[order])
        counts = np.bincount(numbers, minlength=len(self.names))
        present = np.flatnonzero(counts).tolist()
        parts = positions.split_with_sizes(counts[present].tolist())
        return {self.names[number]: part for number, part in zip(present, parts, strict=True)}

    def totals(self, rows: Tensor) -> dict[str, float]:
        """Task -> sum of its loss weights over ``rows [B]``, for the tasks where it is positive."""
        pairs, _ = self._pairs(rows)
        numbers, weights = self.tasks[pairs], self.weights[pairs]
        sums = np.bincount(numbers, weights=weights, minlength=len(self.names))
        present = np.flatnonzero(sums > 0).tolist()
        return {self.names[number]: float(sums[number]) for number in present}

    def _pairs(self, rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The pairs of ``rows [B]``, and the position in ``rows`` that each belongs to."""
        chosen = rows.numpy()
        starts = self.offsets[chosen]
        counts = self.offsets[chosen + 1] - starts
        owners = np.repeat(np.arange(len(chosen)), counts)
        before = counts.cumsum() - counts
        return np.arange(len(owners)) + (starts - before)[owners], owners


def _measured_rows(targets: Targets) -> Tensor:
    """``[N]`` true for rows with at least one measured target."""
    mask = targets.mask
    if isinstance(mask, Dense):
        return mask.values if mask.values.ndim == 1 else mask.values.flatten(1).any(dim=1)
    return row_sums(mask, mask.values.float()) > 0


def row_sums(field: Ragged, values: Tensor) -> Tensor:
    """``[N]`` the sum of the values of each row."""
    owner = torch.repeat_interleave(torch.arange(len(field)), field.lengths)
    return torch.zeros(len(field)).index_add(0, owner, values)
