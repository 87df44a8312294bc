"""Weights of classes in a loss.

Shapes: R rows of a batch, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from polytask.errors import InputError
from polytask.tasks.outputs.labels import Label, check_labels

__all__ = ["ClassWeights", "fit_class_weights", "one_per_class", "weigh", "weigh_labels"]

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
        InputError: as `one_per_class`.
    """
    if weights == "balanced":
        share = sum(counts.values()) / len(classes)
        return tuple(share / counts[label] if label in counts else 1.0 for label in classes)
    return one_per_class("class_weights", weights, classes, where=where)


def one_per_class(
    option: str,
    weights: Mapping[Label, float] | Sequence[float] | None,
    classes: tuple[Label, ...],
    *,
    where: str,
) -> tuple[float, ...] | None:
    """The weights that a user gave, one per class; a label that is left out weighs 1.

    Args:
        option: its name, for messages.
        weights: label -> weight, one weight per class, or none.
        classes: the labels in the order of the logits.
        where: task and file, for messages.

    Raises:
        InputError: a label that is no class, a weight that is negative or not finite, or their
            number is not C.
    """
    if weights is None:
        return None
    if isinstance(weights, Mapping):
        check_labels(f"label of {option}", weights, classes, where=where)
        weights = [weights.get(label, 1.0) for label in classes]
    if len(weights) != len(classes) or not all(0 <= weight < math.inf for weight in weights):
        needs = f"{len(classes)} finite weights of at least 0"
        raise InputError(f"{where}: {option} needs {needs}, got {list(weights)}")
    return tuple(float(weight) for weight in weights)


def weigh(target: Tensor, mask: Tensor, weights: ClassWeights, classes: int) -> Tensor:
    """The weight of every target: 0 where masked, and where training does not have the label."""
    known = mask & (target < classes)
    if not isinstance(weights, tuple):
        return known.float()
    by_class = torch.tensor(weights, device=target.device)
    return known * by_class[target.clamp(max=classes - 1)]


def weigh_labels(
    target: Tensor, mask: Tensor, weights: ClassWeights, pos_weight: ClassWeights, labels: int
) -> Tensor:
    """The weight of every label value; 0 where masked, and in a column after those of the labels.

    Args:
        target: ``[R, C]`` or ``[R, C + 1]``: 1 where a label holds, 0 where not.
        mask: the same shape.
        weights: factor of each label.
        pos_weight: further factor of each label where it holds.
        labels: C.
    """
    found = mask[:, :labels].float()
    if isinstance(weights, tuple):
        found = found * found.new_tensor(weights)
    if isinstance(pos_weight, tuple):
        holds = target[:, :labels] > 0.5
        found = torch.where(holds, found * found.new_tensor(pos_weight), found)
    return F.pad(found, (0, target.shape[1] - labels))
