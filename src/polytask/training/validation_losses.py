"""The validation loss of each task, for balancers that follow it."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from polytask.data import EncodedSplit, evaluation_batches
from polytask.models import MultiTaskModel
from polytask.training.losses import batch_losses

__all__ = ["validation_losses"]


def validation_losses(
    model: MultiTaskModel, splits: Mapping[str, EncodedSplit], *, device: torch.device
) -> dict[str, float]:
    """Task -> mean loss over its targets, without the task's weight.

    Args:
        model: is put into evaluation mode and back.
        splits: data set -> validation split.
        device: of the model.
    """
    found: dict[str, float] = {}
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for split in splits.values():
            totals = split.index.totals(torch.arange(len(split)))
            for batch in evaluation_batches(split):
                moved = batch.to(device)
                outputs = model(moved.fields, moved.rows)
                for name, loss in batch_losses(outputs, moved, model.tasks, totals).items():
                    found[name] = found.get(name, 0.0) + float(loss)
    model.train(was_training)
    return found
