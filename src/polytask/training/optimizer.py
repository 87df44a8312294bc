"""The optimiser of a run, and its state as tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.models import MultiTaskModel
from polytask.training.options import TrainingOptions
from polytask.training.parameter_groups import parameter_groups

__all__ = ["load_optimizer", "make_optimizer", "optimizer_state", "set_rate"]

FUSED = ("cpu", "cuda")
"""Devices on which PyTorch has the fused Adam."""


def make_optimizer(model: MultiTaskModel, options: TrainingOptions) -> torch.optim.Optimizer:
    """The optimiser that the options name, over the model's parameter groups."""
    groups = parameter_groups(model, options)
    for group in groups:
        group["highest"] = group["lr"]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.learning_rate, momentum=options.momentum)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    fused = next(model.parameters()).device.type in FUSED
    return kind(groups, lr=options.learning_rate, betas=options.betas, fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give each group this share of its highest learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["highest"] * factor


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The state of an optimiser as tensors: ``<parameter name>/<key>``."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}/{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
        if value is not None
    }


def load_optimizer(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor], *, where: str
) -> None:
    """Put a state back that `optimizer_state` gave.

    Raises:
        InputError: it is of a parameter that the model does not have or does not train.
    """
    named = dict(model.named_parameters())
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for path, value in tensors.items():
        name, _, key = path.rpartition("/")
        if name not in named or id(named[name]) not in trained:
            raise InputError(f"{where}: the optimiser's state is of {name!r}, which is not trained")
        # A step count that is not fused stays on the CPU.
        own = key != "step" or named[name].device.type in FUSED
        device = named[name].device if own else torch.device("cpu")
        optimizer.state[named[name]][key] = value.to(device, copy=True)
