"""One of several classes that have an order, per example.

Shapes: N rows of a data set, R rows of a batch, C classes, T = C - 1 thresholds between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.fields import Dense, Targets
from polytask.tasks.metrics import (
    CalibrationError,
    Metric,
    QuadraticWeightedKappa,
    RankAccuracy,
    RankError,
    RankSpearman,
    Rows,
    median_rank,
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
from polytask.tasks.outputs.thresholds import (
    SharedWeightLinear,
    class_probabilities,
    conditional_losses,
    cumulative_losses,
)

__all__ = ["Ordinal"]

Loss = Literal["cumulative", "corn", "cross_entropy"]


@dataclass(frozen=True, kw_only=True)
class Ordinal(Output):
    """One of several classes that have an order, per example.

    The prediction is the median of the class probabilities: the number of thresholds k with
    P(y > k) > 0.5, which is the rule of both papers and minimises the expected error in ranks.

    Args:
        classes: the classes from lowest to highest; by default the numbers found in training.
        loss: ``cumulative`` (default): CORAL, T binary problems y > k that share one weight vector;
            ``corn``: T conditional binary problems y > k given y > k - 1; ``cross_entropy``.
        class_weights: label -> weight of its examples in the loss, ``"balanced"``, or none, as in
            `Classification`. With ``corn`` it is the weight of every binary problem of the example.
        unknown: a label of another split that training does not have is an ``error`` (default), or
            ``wrong``: no loss learns from it, and it counts as the largest mistake that is
            possible. ``mae``, ``kappa``, ``accuracy`` and ``spearman`` take it for the class that
            is farthest from the prediction, ``ece`` for a wrong decision.
        primary: ``mae`` (in ranks, default), ``kappa`` (quadratic weights), ``accuracy``,
            ``spearman`` or ``ece`` (of the most probable class, which need not be the median).

    Raises:
        InputError: fewer than two classes in training, text labels without ``classes``, a weight
            for an unknown class, or a label that is no class.

    Sources:
        CORAL: Cao, Mirjalili, Raschka, "Rank consistent ordinal regression for neural networks with
        application to age estimation", 2020. CORN: Shi, Cao, Raschka, "Deep neural networks for
        rank-consistent ordinal regression based on conditional probabilities", 2021.
        Difference: thresholds of CORAL can leave their order early in training; then P(y > k) is
        replaced by the least P(y > j), j <= k, so that class probabilities are never negative.

    Example:
        >>> Ordinal().fit(np.array([3, 1, 2, 1]), where="a.csv").classes
        (1, 2, 3)
    """

    classes: tuple[Label, ...] | None = None
    loss: Loss = "cumulative"
    class_weights: ClassWeights = None
    unknown: Unknown = "error"

    def __post_init__(self) -> None:
        check_choice("choice for unknown", self.unknown, get_args(Unknown))
        check_choice("loss", self.loss, get_args(Loss))

    def fit(self, values: np.ndarray, *, where: str) -> Self:
        found = find_classes(values, where=where)
        if len(found) < 2:
            raise InputError(f"{where}: needs two classes in training, found {list(found)}")
        if self.classes is None and any(isinstance(label, str) for label in found):
            raise InputError(f"{where}: text has no order: give classes= from lowest to highest")
        classes = choose_classes(self.classes, found, where=where)
        weights = fit_class_weights(self.class_weights, classes, found, where=where)
        return replace(self, classes=classes, class_weights=weights)

    @property
    def size(self) -> int:
        return len(self._classes) - (self.loss != "cross_entropy")

    @property
    def _classes(self) -> tuple[Label, ...]:
        if self.classes is None:
            raise not_fitted(self)
        return self.classes

    def last_layer(self, width: int) -> nn.Module:
        if self.loss == "cumulative":
            return SharedWeightLinear(width, self.size)
        return nn.Linear(width, self.size)

    def encode(self, values: np.ndarray, place: Place) -> Targets:
        number = {label: index for index, label in enumerate(self._classes)}
        unseen = len(number) if self.unknown == "wrong" else None
        index, mask = encode_labels(values, number, place, unseen=unseen)
        return Targets(Dense(torch.from_numpy(index)), Dense(torch.from_numpy(mask)))

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        known = target.clamp(max=len(self._classes) - 1)
        if self.loss == "cross_entropy":
            return F.cross_entropy(output, known, reduction="none")
        if self.loss == "corn":
            return conditional_losses(output, known)
        return cumulative_losses(output, known)

    def weights(self, target: Tensor, mask: Tensor) -> Tensor:
        weights = weigh(target, mask, self.class_weights, len(self._classes))
        # The paper of CORN takes the mean over conditional problems: min(y + 1, T) per example.
        return weights * (target + 1).clamp(max=self.size) if self.loss == "corn" else weights

    def scores(self, output: Tensor) -> Tensor:
        if self.loss == "cross_entropy":
            return output.float().softmax(dim=-1)
        above = output.float().sigmoid()
        return class_probabilities(above.cumprod(-1) if self.loss == "corn" else above)

    def decode(self, scores: Rows) -> list[Any]:
        return [self._classes[rank] for rank in median_rank(np.asarray(scores))]

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "mae": RankError(),
            "kappa": QuadraticWeightedKappa(),
            "accuracy": RankAccuracy(),
            "spearman": RankSpearman(),
            "ece": CalibrationError(),
        }
