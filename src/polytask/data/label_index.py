"""Which tasks each row carries, found once, so that a batch costs what it carries and no more.

Shapes: N rows of a split, K tasks, E pairs of a row and a task that has a target there,
B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polytask.fields import Dense, Targets

__all__ = ["SPARSE", "Carried", "LabelIndex"]

SPARSE = 0.5
"""Below this share of labelled rows in a batch, a head sees its labelled rows only."""


@dataclass(frozen=True)
class Carried:
    """What the rows of a batch carry, for the tasks that have any target there.

    Args:
        positions: task -> positions in the batch at which it has a target.
        values: task -> targets at these positions; empty unless they are packed (see `Packed`).
        masks: task -> true at all of these positions; likewise.
        weights: task -> example weights at these positions; likewise.
    """

    positions: Mapping[str, Tensor]
    values: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class Packed:
    """Targets pair by pair: those of a batch are gathered at once, not task by task.

    Args:
        values: ``[E]`` target of each pair.
        weights: ``[E]`` example weight of each pair.
    """

    values: Tensor
    weights: Tensor


@dataclass(frozen=True)
class LabelIndex:
    """The tasks of every row, row by row.

    Args:
        names: ``[K]`` the tasks.
        offsets: ``[N + 1]`` where the pairs of each row start.
        tasks: ``[E]`` the number of the task of each pair.
        losses: ``[E]`` the loss weight of the row in that task.
        packed: the targets, for tables in which few rows carry a task.
    """

    names: tuple[str, ...]
    offsets: np.ndarray
    tasks: np.ndarray
    losses: np.ndarray
    packed: Packed | None

    @staticmethod
    def build(
        rows: int,
        targets: Mapping[str, Targets],
        row_weights: Mapping[str, Tensor],
        loss_weights: Mapping[str, Tensor],
    ) -> LabelIndex:
        """Find the tasks of every row.

        Args:
            rows: N.
            targets: task -> targets and mask of every row.
            row_weights: task -> ``[N]`` weight of each row.
            loss_weights: task -> ``[N]`` sum of the loss weights of each row.
        """
        found = np.zeros((rows, len(targets)), dtype=bool)
        for number, target in enumerate(targets.values()):
            found[:, number] = target.measured.numpy()
        owners, tasks = np.nonzero(found)
        offsets = np.concatenate([[0], found.sum(axis=1).cumsum()])
        losses = np.asarray(_by_pair([loss_weights[name] for name in targets], owners, tasks))
        packed = None
        if len(tasks) < SPARSE * found.size and _packable(targets):
            values = _by_pair([target.values.values for target in targets.values()], owners, tasks)
            weights = _by_pair([row_weights[name] for name in targets], owners, tasks)
            packed = Packed(values, weights)
        return LabelIndex(tuple(targets), offsets, tasks.astype(np.int32), losses, packed)

    @property
    def labelled(self) -> Tensor:
        """``[N]`` true for rows in which any task has a target."""
        return torch.from_numpy(np.diff(self.offsets) > 0)

    def carried(self, rows: Tensor) -> Carried:
        """What the rows ``[B]`` carry."""
        pairs, owners = self._pairs(rows)
        numbers = self.tasks[pairs]
        order = np.argsort(numbers, kind="stable")
        counts = np.bincount(numbers, minlength=len(self.names))
        present = np.flatnonzero(counts)
        names, sizes = [self.names[number] for number in present.tolist()], counts[present].tolist()

        def by_task(values: Tensor) -> dict[str, Tensor]:
            return dict(zip(names, values.split_with_sizes(sizes), strict=True))

        positions = by_task(torch.from_numpy(owners[order]))
        if self.packed is None:
            return Carried(positions, {}, {}, {})
        chosen = torch.from_numpy(pairs[order])
        values, weights = self.packed.values[chosen], self.packed.weights[chosen]
        masks = torch.ones(len(order), dtype=torch.bool)
        return Carried(positions, by_task(values), by_task(masks), by_task(weights))

    def totals(self, rows: Tensor) -> dict[str, float]:
        """Task -> sum of its loss weights over ``rows [B]``, for the tasks where it is positive."""
        pairs, _ = self._pairs(rows)
        sums = np.bincount(self.tasks[pairs], weights=self.losses[pairs], minlength=len(self.names))
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


def _packable(targets: Mapping[str, Targets]) -> bool:
    """Whether all targets are single values of one type."""
    fields = [field for target in targets.values() for field in (target.values, target.mask)]
    single = all(isinstance(field, Dense) and field.values.ndim == 1 for field in fields)
    return single and len({target.values.values.dtype for target in targets.values()}) == 1


def _by_pair(columns: Sequence[Tensor], owners: np.ndarray, tasks: np.ndarray) -> Tensor:
    """``[E]`` the values of K columns ``[N]`` at the pairs."""
    if not columns:
        return torch.zeros(0)
    return torch.stack(list(columns), dim=1)[torch.from_numpy(owners), torch.from_numpy(tasks)]
