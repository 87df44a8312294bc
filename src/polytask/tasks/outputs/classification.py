"""One class out of several, per example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from polytask.errors import InputError
from polytask.fields import Dense, Targets
from polytask.tasks.metrics import (
    AUROC,
    Accuracy,
    AveragePrecision,
    CalibrationError,
    MacroF1,
    MatthewsCorrelation,
    Metric,
    Rows,
)
from polytask.tasks.outputs.base import Output, Place
from polytask.tasks.outputs.class_weights import ClassWeights, fit_class_weights, weigh
from polytask.tasks.outputs.labels import (
    Label,
    Unknown,
    choose_classes,
    encode_labels,
    find_classes,
)
from polytask.tasks.outputs.options import check_choice, not_fitted

__all__ = ["Classification"]


@dataclass(frozen=True, kw_only=True)
class Classification(Output):
    """One class out of several, per example (cross-entropy).

    Args:
        classes: the labels, in the order of the logits; found in the training split by default.
        label_smoothing: share of probability that is spread over all classes in the loss, in
            [0, 1).
        class_weights: label -> weight of its examples in the loss, ``"balanced"`` for weights
            inversely proportional to the label's frequency in the training split, or none. Once
            fitted: one weight per class.
        unknown: a label of another split that training does not have is an ``error`` (default), or
            ``wrong``: its target is the number C, which no loss learns from and every metric counts
            as missed. To leave such examples out would flatter the score.
        primary: ``accuracy`` (default), ``macro_f1``, ``mcc``, ``auroc``, ``average_precision`` or
            ``ece``.

    Raises:
        InputError: fewer than two classes in training, a weight for an unknown class, or a label
            that training does not have.

    Example:
        >>> column = np.array(["no", "yes", None], dtype=object)
        >>> Classification().fit(column, where="a.csv").classes
        ('no', 'yes')
    """

    classes: tuple[Label, ...] | None = None
    label_smoothing: float = 0.0
    class_weights: ClassWeights = None
    unknown: Unknown = "error"

    def __post_init__(self) -> None:
        check_choice("choice for unknown", self.unknown, get_args(Unknown))
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing must be in [0, 1), got {self.label_smoothing}")

    def fit(self, values: np.ndarray, *, where: str) -> Self:
        found = find_classes(values, where=where)
        if len(found) < 2:
            raise InputError(f"{where}: needs two classes in training, found {list(found)}")
        classes = choose_classes(self.classes, found, where=where)
        weights = fit_class_weights(self.class_weights, classes, found, where=where)
        return replace(self, classes=classes, class_weights=weights)

    @property
    def size(self) -> int:
        return len(self._classes)

    @property
    def _classes(self) -> tuple[Label, ...]:
        if self.classes is None:
            raise not_fitted(self)
        return self.classes

    def encode(self, values: np.ndarray, place: Place) -> Targets:
        number = {label: index for index, label in enumerate(self._classes)}
        unseen = self.size if self.unknown == "wrong" else None
        index, mask = encode_labels(values, number, place, unseen=unseen)
        return Targets(Dense(torch.from_numpy(index)), Dense(torch.from_numpy(mask)))

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        known = target.clamp(max=self.size - 1)
        smoothing = self.label_smoothing
        return F.cross_entropy(output, known, reduction="none", label_smoothing=smoothing)

    def weights(self, target: Tensor, mask: Tensor) -> Tensor:
        return weigh(target, mask, self.class_weights, self.size)

    def scores(self, output: Tensor) -> Tensor:
        return output.float().softmax(dim=-1)

    def decode(self, scores: Rows) -> list[Any]:
        return [self._classes[index] for index in np.asarray(scores).argmax(axis=-1)]

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "accuracy": Accuracy(),
            "macro_f1": MacroF1(self.size),
            "mcc": MatthewsCorrelation(self.size),
            "auroc": AUROC(),
            "average_precision": AveragePrecision(),
            "ece": CalibrationError(),
        }
