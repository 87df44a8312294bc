"""Which parameters are trained, at which learning rate, with which weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from polytask.errors import InputError, unknown
from polytask.models import MultiTaskModel
from polytask.training.options import TrainingOptions

__all__ = ["parameter_groups", "starts"]


def parameter_groups(model: MultiTaskModel, options: TrainingOptions) -> list[dict[str, Any]]:
    """Groups for an optimiser: parameters of one learning rate and one weight decay each.

    The factor of a parameter's learning rate is the product of the factor of the longest matching
    start of its name, of its task (for the head of a task, and what else it alone uses), and of the
    layer decay. Frozen parameters get ``requires_grad = False`` and are in no group.

    Raises:
        InputError: a name in ``freeze`` or ``learning_rates`` that no parameter starts with, or
            nothing is left to train.
    """
    named = dict(model.named_parameters())
    _check_prefixes((*options.freeze, *options.learning_rates), named)
    factors = _layer_factors(model, options.layer_decay)
    owners = model.owners()
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        if any(starts(name, start) for start in options.freeze):
            parameter.requires_grad_(False)
            continue
        if not parameter.requires_grad:
            continue
        factor = factors.get(id(parameter), 1.0) * _named_factor(name, options.learning_rates)
        if name in owners:
            factor *= model.tasks[owners[name]].learning_rate
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    if not groups:
        raise InputError(f"training.freeze: {list(options.freeze)} leaves no parameter to train")
    return [
        {"params": params, "lr": options.learning_rate * factor, "weight_decay": decay}
        for (factor, decay), params in groups.items()
    ]


def starts(name: str, start: str) -> bool:
    """Whether a parameter's name starts with these parts; ``heads.<task>`` is the task's head."""
    return any(name == part or name.startswith(f"{part}.") for part in (start, f"{start}_head"))


def _check_prefixes(prefixes: Iterable[str], named: Mapping[str, nn.Parameter]) -> None:
    for prefix in prefixes:
        if not any(starts(name, prefix) for name in named):
            choices = {".".join(name.split(".")[:depth]) for name in named for depth in (1, 2, 3)}
            raise unknown("start of a parameter name", prefix, choices, where="training")


def _named_factor(name: str, factors: Mapping[str, float]) -> float:
    matching = [prefix for prefix in factors if starts(name, prefix)]
    return factors[max(matching, key=len)] if matching else 1.0


def _layer_factors(model: MultiTaskModel, decay: float) -> dict[int, float]:
    """Identity of a backbone parameter -> decay ** (distance of its block from the last one)."""
    blocks = model.backbone.blocks()
    return {
        id(parameter): decay ** (len(blocks) - 1 - depth)
        for depth, block in enumerate(blocks)
        for parameter in block.parameters()
    }
