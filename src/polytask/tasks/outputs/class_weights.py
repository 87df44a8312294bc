"""Weights of classes in a loss.

Shapes: C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.tasks.outputs.labels import Label, check_labels

__all__ = ["ClassWeights", "fit_class_weights", "weigh"]

ClassWeights = Mapping[Label, float] | tuple[float, ...] | Literal["balanced"] | None
"""Label -> weight, one weight per class, ``"balanced"``, or none."""


def fit_class_weights(
    weights: ClassWeights, classes: tuple[Label, ...], counts: Mapping[Label, int], *, where: str
) -> tuple[float, ...] | None:
    """One weight per class.

    Args:
        weights: as the user gave them; a label that is left out weighs 1. ``"balanced"`` is
            n / (C n_c), so that the mean weight of an example is 1; a class without examples
            weighs 1.
        classes: the labels in the order of the logits.
        counts: label -> n_c, its examples in the training split.
        where: task and file, for messages.

    Raises:
        InputError: a label that is no class, a weight that is negative, or their number is not C.
    """
    if weights is None:
        return None
    if weights == "balanced":
        share = sum(counts.values()) / len(classes)
        return tuple(share / counts[label] if label in counts else 1.0 for label in classes)
    if isinstance(weights, Mapping):
        check_labels("class in class_weights", weights, classes, where=where)
        weights = tuple(float(weights.get(label, 1.0)) for label in classes)
    if len(weights) != len(classes) or not all(weight >= 0 for weight in weights):
        raise InputError(
            f"{where}: class_weights needs {len(classes)} weights of at least 0, got {weights}"
        )
    return weights


def weigh(target: Tensor, mask: Tensor, weights: ClassWeights, classes: int) -> Tensor:
    """The weight of every target: 0 where masked, and where training does not have the label."""
    known = mask & (target < classes)
    if not isinstance(weights, tuple):
        return known.float()
    by_class = torch.tensor(weights, device=target.device)
    return known * by_class[target.clamp(max=classes - 1)]
