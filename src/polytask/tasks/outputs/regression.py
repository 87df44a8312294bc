"""A number, or a vector of numbers, per example.

Shapes: N rows of a data set, R rows of a batch, D dimensions of the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from polytask.errors import InputError
from polytask.fields import Dense, Targets
from polytask.tasks.metrics import (
    CCC,
    MAE,
    R2,
    RMSE,
    ExplainedVariance,
    Metric,
    Pearson,
    Rows,
    Spearman,
)
from polytask.tasks.outputs.base import Output, Place
from polytask.tasks.outputs.concordance import concordance_loss
from polytask.tasks.outputs.numbers import mean_and_std, numbers
from polytask.tasks.outputs.options import check_choice, not_fitted

__all__ = ["Regression"]

Loss = Literal["mse", "mae", "huber", "ccc"]

LARGE_OFFSET = 1e4
"""|mean| / std from which float32, with its 7 digits, would keep fewer than 3 of a deviation."""


@dataclass(frozen=True, kw_only=True)
class Regression(Output):
    """A number, or a vector of numbers, per example, standardised for the loss.

    A column of numbers ``[N]`` gives losses and predictions ``[R]``, a column of vectors ``[N, D]``
    gives ``[R, D]``; each dimension of a vector may be missing on its own.

    Args:
        loss: ``mse`` (default), ``mae``, ``huber``, or ``ccc``: 1 - concordance correlation over
            the whole batch.
        huber_delta: where the Huber loss turns linear, in standard deviations (if standardised).
        standardise: whether the loss sees (target - mean) / standard deviation.
        mean: subtracted from targets, per dimension; found in the training split.
        std: divides targets, per dimension; found in the training split.
        primary: ``rmse`` (default), ``mae``, ``r2``, ``explained_variance``, ``pearson``,
            ``spearman`` or ``ccc``.

    Raises:
        InputError: a target that is constant in training, or a cell that is no number.

    Example:
        >>> output = Regression().fit(np.array([1.0, 3.0, np.nan]), where="a.csv")
        >>> output.mean, output.std
        (2.0, 1.0)
    """

    loss_kind: ClassVar[Literal["classification", "regression"]] = "regression"
    loss: Loss = "mse"
    huber_delta: float = 1.0
    standardise: bool = True
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, get_args(Loss))
        if not self.huber_delta > 0:
            raise InputError(f"huber_delta must be positive, got {self.huber_delta}")

    def fit(self, values: np.ndarray, *, where: str) -> Self:
        column = numbers(values, lambda row: f"{where}, row {row + 1}")
        per_dimension = column.reshape(len(column), -1).T
        moments = [mean_and_std(x[~np.isnan(x)], where=where) for x in per_dimension]
        if not self.standardise:
            moments = [(0.0, 1.0)] * len(moments)
        mean, std = zip(*moments, strict=True)
        if column.ndim == 1:
            return replace(self, mean=mean[0], std=std[0])
        return replace(self, mean=mean, std=std)

    @property
    def size(self) -> int:
        mean, _ = self._scale
        return len(mean) if isinstance(mean, tuple) else 1

    @property
    def unit(self) -> float:
        return float(np.mean(self._scale[1]))

    @property
    def scope(self) -> Literal["example", "batch"]:
        return "batch" if self.loss == "ccc" else "example"

    @property
    def _scale(self) -> tuple[float | tuple[float, ...], float | tuple[float, ...]]:
        if self.mean is None or self.std is None:
            raise not_fitted(self)
        return self.mean, self.std

    @property
    def _dtype(self) -> torch.dtype:
        mean, std = (np.asarray(x) for x in self._scale)
        return torch.float64 if np.any(np.abs(mean) > LARGE_OFFSET * std) else torch.float32

    def encode(self, values: np.ndarray, place: Place) -> Targets:
        column = numbers(values, place)
        if self._is_vector and column.ndim == 1 and np.isnan(column).all():
            column = np.full((len(column), self.size), np.nan)
        shape = (self.size,) if self._is_vector else ()
        if column.shape[1:] != shape and len(column):
            got = f"shape {column.shape[1:]}, in training it was {shape}"
            raise InputError(f"{place(0)}: targets of {got}")
        mask = torch.from_numpy(~np.isnan(column))
        return Targets(Dense(torch.from_numpy(np.nan_to_num(column)).to(self._dtype)), Dense(mask))

    @property
    def _is_vector(self) -> bool:
        return isinstance(self._scale[0], tuple)

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        predicted, wanted = self._comparable(output, target)
        if self.loss == "mae":
            return F.l1_loss(predicted, wanted, reduction="none")
        if self.loss == "huber":
            return F.huber_loss(predicted, wanted, reduction="none", delta=self.huber_delta)
        return F.mse_loss(predicted, wanted, reduction="none")

    def batch_loss(self, output: Tensor, target: Tensor, weights: Tensor) -> Tensor | None:
        if self.loss != "ccc":
            return None
        return concordance_loss(*self._comparable(output, target), weights)

    def _comparable(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Output and target in the unit of the loss, of the shape of the target."""
        mean, std = (target.new_tensor(x) for x in self._scale)
        return self._squeeze(output), ((target - mean) / std).to(output.dtype)

    def _squeeze(self, output: Tensor) -> Tensor:
        return output if self._is_vector else output.squeeze(-1)

    def scores(self, output: Tensor) -> Tensor:
        values = self._squeeze(output).to(self._dtype)
        mean, std = (values.new_tensor(x) for x in self._scale)
        return values * std + mean

    def decode(self, scores: Rows) -> list[Any]:
        values: list[Any] = np.asarray(scores).tolist()
        return values

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "rmse": RMSE(),
            "mae": MAE(),
            "r2": R2(),
            "explained_variance": ExplainedVariance(),
            "pearson": Pearson(),
            "spearman": Spearman(),
            "ccc": CCC(),
        }
