"""Losses in units of a random guess."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext
from polytask.errors import InputError

__all__ = ["LogOutputs"]


@dataclass(kw_only=True, eq=False)
class LogOutputs(LossWeighting):
    """Divides the loss of a classification by the logarithm of its number of classes.

    ``w_k = 1 / log n_k``: a model that guesses has loss 1 in every task.

    Source: Aghajanyan and others, "Muppet: Massive Multi-task Representations with
    Pre-Finetuning", 2021, where n is the size of a decision: the number of classes, or that of the
    words of a vocabulary for generation. The weight of a regression, 1, is ours.

    Raises:
        InputError: the context of a task does not tell its number of classes, or tells one below 2.
    """

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        return torch.tensor([_weight(name, context) for name in losses], dtype=torch.float64)


def _weight(name: str, context: Mapping[str, TaskContext]) -> float:
    known = context.get(name, TaskContext())
    if known.kind == "regression":
        return 1.0
    if known.classes is None or known.classes < 2:
        raise InputError(
            f"LogOutputs: {name!r} needs its number of classes, at least 2, in the context: "
            f"{{{name!r}: TaskContext(classes=...)}}"
        )
    return 1 / math.log(known.classes)
