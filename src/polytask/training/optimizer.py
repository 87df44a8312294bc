"""The optimiser of a run."""

from __future__ import annotations

import torch

from polytask.models import MultiTaskModel
from polytask.training.options import TrainingOptions
from polytask.training.parameter_groups import parameter_groups

__all__ = ["make_optimizer", "set_rate"]


def make_optimizer(model: MultiTaskModel, options: TrainingOptions) -> torch.optim.Optimizer:
    """The optimiser that the options name, over the model's parameter groups."""
    groups = parameter_groups(model, options)
    for group in groups:
        group["highest"] = group["lr"]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.learning_rate, momentum=options.momentum)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    return kind(groups, lr=options.learning_rate, betas=options.betas, fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give each group this share of its highest learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["highest"] * factor
