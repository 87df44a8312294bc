"""The loss of each task in a batch, as a share of the mean over the whole step.

Shapes: R rows that carry a task, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from polytask.data import Batch
from polytask.tasks import Task, TaskSet

__all__ = ["batch_losses"]


def batch_losses(
    outputs: Mapping[str, Tensor], batch: Batch, tasks: TaskSet, totals: Mapping[str, float]
) -> dict[str, Tensor]:
    """Task -> scalar loss; summed over batches and processes it is the mean over the whole step.

    The losses stay separate scalars: differentiating one of them walks the graph of its task alone.

    Args:
        outputs: of the model.
        batch: that they belong to.
        tasks: of the model.
        totals: task -> sum of the loss weights in the whole step; an absent task has no loss.
    """
    return {
        name: _loss(tasks[name], output.float(), batch, totals[name])
        for name, output in outputs.items()
        if name in totals
    }


def _loss(task: Task, output: Tensor, batch: Batch, total: float) -> Tensor:
    target = batch.targets[task.name]
    weights = task.output.weights(target, batch.masks[task.name])
    example = batch.weights[task.name]
    weights = weights * (example if weights.ndim == 1 else _expanded(example, weights.ndim))
    whole = task.output.batch_loss(output, target, weights)
    if whole is not None:
        return whole * (weights.sum() / total)
    return (task.output.losses(output, target) * weights).sum() / total


def _expanded(example: Tensor, ndim: int) -> Tensor:
    """``[R]`` as ``[R, 1, ...]``."""
    return example.reshape(-1, *[1] * (ndim - 1))
