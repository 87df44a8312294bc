"""Any number of labels per example, each of them yes, no or not measured.

Shapes: N rows of a data set, R rows of a batch, C labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

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
    MacroLabelF1,
    Metric,
    MicroF1,
    Rows,
)
from polytask.tasks.outputs.base import Output, Place
from polytask.tasks.outputs.label_sets import label_matrix, label_names, split_labels
from polytask.tasks.outputs.labels import Label, check_labels
from polytask.tasks.outputs.options import not_fitted

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
        pos_weight: label -> factor of the loss where the label holds, ``"balanced"`` for
            (examples without) / (examples with the label) in the training split, or none. Once
            fitted: one factor per label.
        primary: ``macro_f1`` (default), ``micro_f1``, ``accuracy`` (share of label values),
            ``exact_match``, ``auroc`` or ``average_precision`` (both the mean over labels).

    Raises:
        InputError: no label in training, an unknown label, or a number that is not 0 or 1.

    Example:
        >>> column = np.array(["red, big", "red", None], dtype=object)
        >>> MultiLabel(separator=",").fit(column, where="a.csv").classes
        ('big', 'red')
    """

    classes: tuple[Label, ...] | None = None
    separator: str = ","
    threshold: float = 0.5
    pos_weight: Mapping[Label, float] | tuple[float, ...] | Literal["balanced"] | None = None

    def __post_init__(self) -> None:
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
        return replace(
            self, classes=classes, pos_weight=self._fit_weights(matrix, classes, where=where)
        )

    def _fit_weights(
        self, matrix: np.ndarray, classes: tuple[Label, ...], *, where: str
    ) -> tuple[float, ...] | None:
        weight = self.pos_weight
        if weight == "balanced":
            yes, no = np.nansum(matrix, axis=0), np.nansum(1 - matrix, axis=0)
            known = (yes > 0) & (no > 0)
            return tuple(np.where(known, no / np.maximum(yes, 1), 1.0).tolist())
        if not isinstance(weight, Mapping):
            return weight
        check_labels("label of pos_weight", weight, classes, where=where)
        return tuple(float(weight.get(label, 1.0)) for label in classes)

    @property
    def size(self) -> int:
        return len(self._classes)

    @property
    def _classes(self) -> tuple[Label, ...]:
        if self.classes is None:
            raise not_fitted(self)
        return self.classes

    def encode(self, values: np.ndarray, place: Place) -> Targets:
        matrix = label_matrix(split_labels(values, self.separator, place), self._classes, place)
        mask = torch.from_numpy(~np.isnan(matrix))
        return Targets(Dense(torch.from_numpy(np.nan_to_num(matrix)).float()), Dense(mask))

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        factor = output.new_tensor(self.pos_weight) if isinstance(self.pos_weight, tuple) else None
        return F.binary_cross_entropy_with_logits(
            output, target.to(output.dtype), reduction="none", pos_weight=factor
        )

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
        }
