"""What a model says about every example of a split, gathered per task.

Shapes: B rows of a batch, R rows that carry a task, N labelled examples of a task.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from polytask.tasks import TaskSet
from polytask.tasks.metrics import Evidence

__all__ = ["BatchLike", "collect", "evaluate_evidence"]


class BatchLike(Protocol):
    """What evaluation needs of a batch, see `polytask.data.Batch`."""

    @property
    def fields(self) -> Mapping[str, Tensor]:
        """Field -> ``[B, ...]``."""

    @property
    def ids(self) -> Tensor:
        """``[B]`` positions in the split."""

    @property
    def rows(self) -> Mapping[str, Tensor | None]:
        """Task -> ``[R]`` positions in the batch, None for all."""

    @property
    def targets(self) -> Mapping[str, Tensor]:
        """Task -> ``[R, ...]``."""

    @property
    def masks(self) -> Mapping[str, Tensor]:
        """Task -> as the targets."""

    def to(self, device: torch.device) -> Any:
        """The batch on a device."""


def collect(
    model: nn.Module,
    tasks: TaskSet,
    batches: Iterable[BatchLike],
    *,
    device: torch.device | None = None,
) -> dict[str, Evidence]:
    """Run a model over batches and keep, per task, its scores next to the targets.

    Args:
        model: called as ``model(batch.fields, batch.rows)``, see `polytask.models.MultiTaskModel`.
        tasks: the fitted tasks of the model.
        batches: of one split; every example at most once.
        device: of the model; the CPU by default.

    Returns:
        Task -> evidence of its labelled examples, in the order of the split.
    """
    gathered: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            moved = batch.to(device or torch.device("cpu"))
            for name, output in model(moved.fields, moved.rows).items():
                gathered[name].append(_rows(tasks, name, batch, output))
    model.train(was_training)
    return {
        name: _evidence(parts, word=tasks[name].output.level == "word")
        for name, parts in gathered.items()
    }


def _rows(tasks: TaskSet, name: str, batch: BatchLike, output: Tensor) -> tuple[np.ndarray, ...]:
    rows = batch.rows[name]
    ids = batch.ids if rows is None else batch.ids[rows]
    scores = tasks[name].output.scores(output).float().cpu()
    parts = (ids, scores, batch.targets[name], batch.masks[name])
    return tuple(part.cpu().numpy() for part in parts)


def _evidence(parts: list[tuple[np.ndarray, ...]], *, word: bool) -> Evidence:
    ids = np.concatenate([part[0] for part in parts])
    order = np.argsort(ids, kind="stable")
    if not word:
        scores, targets, mask = (
            np.concatenate([part[i] for part in parts])[order] for i in (1, 2, 3)
        )
        labelled = mask.reshape(len(mask), -1).any(axis=1)
        return Evidence(ids[order][labelled], scores[labelled], targets[labelled], mask[labelled])
    columns: list[list[np.ndarray]] = [[], [], []]
    for _, scores, targets, mask in parts:
        for row in range(len(mask)):
            words = _length(mask[row])
            for column, values in zip(columns, (scores, targets, mask), strict=True):
                column.append(values[row, :words].copy())
    keep = [index for index in order if columns[2][index].any()]
    return Evidence(ids[keep], *([column[index] for index in keep] for column in columns))


def _length(mask: np.ndarray) -> int:
    """Number of words up to the last measured one; padding is never measured."""
    found = np.flatnonzero(mask)
    return int(found[-1]) + 1 if len(found) else 0


def evaluate_evidence(
    tasks: TaskSet, evidence: Mapping[str, Evidence]
) -> dict[str, dict[str, float]]:
    """Task -> metric -> value."""
    return {
        name: {
            metric: function.value(found)
            for metric, function in tasks[name].output.metrics().items()
        }
        for name, found in evidence.items()
    }
