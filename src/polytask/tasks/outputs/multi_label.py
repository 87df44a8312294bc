"""Any number of labels per example, each of them yes, no or not measured.

Shapes: N rows of a data set, R rows of a batch, C labels.
"""

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
    AveragePrecision,
    ExactMatch,
    LabelAccuracy,
    LabelCalibrationError,
    MacroLabelF1,
    Metric,
    MicroF1,
    Rows,
)
from polytask.tasks.outputs.base import Output, Place
from polytask.tasks.outputs.class_weights import (
    ClassWeights,
    fit_class_weights,
    one_per_class,
    weigh_labels,
)
from polytask.tasks.outputs.label_sets import label_matrix, label_names, split_labels
from polytask.tasks.outputs.labels import Label, Unknown
from polytask.tasks.outputs.options import check_choice, not_fitted

__all__ = ["MultiLabel"]


@dataclass(frozen=True, kw_only=True)
class MultiLabel(Output):
    """Any number of labels per example (binary cross-entropy per label).

    The target column holds numbers 0, 1 or NaN ``[N, C]``, lists of labels, or text in which labels
    are separated. An empty list means that no label holds; a missing cell is not measured.

    Args:
        classes: the labels, in the order of the logits; found in the training split by default
            (0 to C - 1 for a numeric target).
        separator: what stands between labels in text.
        threshold: a label is predicted where its probability is at least this, in (0, 1).
        class_weights: label -> weight of its targets in the loss, whether it holds or not,
            ``"balanced"`` for weights inversely proportional to how often the label was measured in
            the training split, or none. Once fitted: one weight per label.
        pos_weight: label -> further factor of the weight where the label holds, ``"balanced"`` for
            (examples without) / (examples with the label) in the training split, or none. Once
            fitted: one factor per label. The loss is divided by the sum of the weights, where
            PyTorch's ``pos_weight`` divides by their number.
        unknown: a label of another split that training does not have is an ``error`` (default), or
            ``wrong``: no loss learns from it, and it counts as a label that was missed. To leave it
            out would flatter the score.
        primary: ``macro_f1`` (default), ``micro_f1``, ``accuracy`` (share of label values),
            ``exact_match``, ``auroc``, ``average_precision`` or ``ece`` (the last three are means
            over labels).

    With ``unknown="wrong"`` targets have one column more: how many labels that training does not
    have the example has, measured where it has one. For ``micro_f1`` each of them is a missed
    label, for ``accuracy`` a label value that is wrong. For ``exact_match`` the example is wrong.
    For ``macro_f1`` they are all one label, with F1 = 0. The means over labels ``auroc``,
    ``average_precision`` and ``ece`` do not change, since the model gives such labels no
    probability.

    Raises:
        InputError: no label in training, an unknown label, a number that is not 0 or 1, or a
            weight that is negative.

    Example:
        >>> column = np.array(["red, big", "red", None], dtype=object)
        >>> MultiLabel(separator=",").fit(column, where="a.csv").classes
        ('big', 'red')
    """

    classes: tuple[Label, ...] | None = None
    separator: str = ","
    threshold: float = 0.5
    class_weights: ClassWeights = None
    pos_weight: ClassWeights = None
    unknown: Unknown = "error"

    def __post_init__(self) -> None:
        check_choice("choice for unknown", self.unknown, get_args(Unknown))
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold must be in (0, 1), got {self.threshold}")
        if not self.separator:
            raise InputError("separator must not be empty")

    def fit(self, values: np.ndarray, *, where: str) -> Self:
        def place(row: int) -> str:
            return f"{where}, row {row + 1}"

        cells = split_labels(values, self.separator, place)
        classes = label_names(cells, self.classes, where=where)
        matrix = label_matrix(cells, classes, place)
        if np.isnan(matrix).all():
            raise InputError(f"{where}: no label was measured in training")
        yes, no = np.nansum(matrix, axis=0), np.nansum(1 - matrix, axis=0)
        counts = {label: int(n) for label, n in zip(classes, yes + no, strict=True) if n}
        return replace(
            self,
            classes=classes,
            class_weights=fit_class_weights(self.class_weights, classes, counts, where=where),
            pos_weight=self._fit_pos_weight(yes, no, classes, where=where),
        )

    def _fit_pos_weight(
        self, yes: np.ndarray, no: np.ndarray, classes: tuple[Label, ...], *, where: str
    ) -> tuple[float, ...] | None:
        if self.pos_weight == "balanced":
            known = (yes > 0) & (no > 0)
            return tuple(np.where(known, no / np.maximum(yes, 1), 1.0).tolist())
        return one_per_class("pos_weight", self.pos_weight, classes, where=where)

    @property
    def size(self) -> int:
        return len(self._classes)

    @property
    def _classes(self) -> tuple[Label, ...]:
        if self.classes is None:
            raise not_fitted(self)
        return self.classes

    def encode(self, values: np.ndarray, place: Place) -> Targets:
        cells = split_labels(values, self.separator, place)
        matrix = label_matrix(cells, self._classes, place, unseen=self.unknown == "wrong")
        mask = torch.from_numpy(~np.isnan(matrix))
        return Targets(Dense(torch.from_numpy(np.nan_to_num(matrix)).float()), Dense(mask))

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        known = target[:, : self.size].to(output.dtype)
        losses = F.binary_cross_entropy_with_logits(output, known, reduction="none")
        return F.pad(losses, (0, target.shape[1] - self.size))

    def weights(self, target: Tensor, mask: Tensor) -> Tensor:
        return weigh_labels(target, mask, self.class_weights, self.pos_weight, self.size)

    def scores(self, output: Tensor) -> Tensor:
        return output.float().sigmoid()

    def decode(self, scores: Rows) -> list[Any]:
        chosen = np.asarray(scores) >= self.threshold
        return [[self._classes[label] for label in np.flatnonzero(row)] for row in chosen]

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "macro_f1": MacroLabelF1(self.threshold),
            "micro_f1": MicroF1(self.threshold),
            "accuracy": LabelAccuracy(self.threshold),
            "exact_match": ExactMatch(self.threshold),
            "auroc": AUROC(),
            "average_precision": AveragePrecision(),
            "ece": LabelCalibrationError(),
        }
