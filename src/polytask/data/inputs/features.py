"""Numeric and categorical columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch

from polytask.data.inputs.base import Input
from polytask.data.inputs.columns import categories, category_numbers, number_column
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Dense, Field, TextEncoder

__all__ = ["Features"]


@dataclass(frozen=True, kw_only=True)
class Features(Input):
    """Numeric columns (standardised on the training split) and categorical columns.

    Args:
        numeric: columns of numbers, or of vectors of numbers of one length.
        categorical: columns of categories; a category that training does not have becomes
            "unknown", a missing one is a category of its own.
        missing: what a missing number becomes: an ``error``, or the training ``mean``.
        standardise: subtract the training mean and divide by the training deviation.
        mean: per number, found by `fit`.
        std: per number, found by `fit`; 1 where a column is constant.
        categories: per categorical column, found by `fit`.

    Raises:
        InputError: no column at all, a missing value while ``missing`` is ``error``, a column
            without any number, an infinite number, or text where a number is expected.
    """

    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    missing: Literal["error", "mean"] = "error"
    standardise: bool = True
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    categories: Sequence[Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if not self.numeric and not self.categorical:
            raise InputError("features: name at least one numeric or categorical column")

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.numeric, *self.categorical)

    def fit(self, table: Table) -> Self:
        super().fit(table)
        found = [categories(table.column(name)) for name in self.categorical]
        fitted = replace(self, categories=found)
        return fitted._fit_numbers(table) if self.numeric else fitted

    def _fit_numbers(self, table: Table) -> Self:
        numbers = self._numbers(table)
        for column in np.flatnonzero(np.isnan(numbers).all(axis=0)).tolist():
            raise InputError(f"{table.origin}: column {self._owner(table, column)!r} has no number")
        low, high = np.nanmin(numbers, axis=0), np.nanmax(numbers, axis=0)
        # Not by std > 0: rounding gives a constant column a deviation of 1e-17.
        constant = low == high
        mean = np.where(constant, low, np.nanmean(numbers, axis=0))
        std = np.where(constant, 1.0, np.nanstd(numbers, axis=0))
        return replace(self, mean=mean.tolist(), std=std.tolist())

    def encode(self, table: Table, text: TextEncoder | None = None) -> dict[str, Field]:
        fields: dict[str, Field] = {}
        if self.numeric:
            fields["numeric"] = Dense(torch.from_numpy(self._scaled(table)).float())
        if self.categorical:
            columns = [
                category_numbers(table.column(name), known)
                for name, known in zip(self.categorical, self.categories or (), strict=True)
            ]
            fields["categorical"] = Dense(torch.from_numpy(np.stack(columns, axis=1)))
        return fields

    def shapes(self) -> Mapping[str, Any]:
        sizes = [len(names) + 1 for names in self.categories or ()]
        return {"numeric": len(self.mean or ()), "categorical": sizes}

    def _scaled(self, table: Table) -> np.ndarray:
        """``[N, D]`` without missing numbers, standardised if asked."""
        numbers, mean, std = self._numbers(table), np.asarray(self.mean), np.asarray(self.std)
        if numbers.shape[1] != len(mean):
            raise InputError(
                f"{table.origin}: columns {list(self.numeric)} hold {numbers.shape[1]} numbers, "
                f"in training they held {len(mean)}"
            )
        filled = np.where(np.isnan(numbers), mean, numbers)
        return np.asarray((filled - mean) / std if self.standardise else filled)

    def _numbers(self, table: Table) -> np.ndarray:
        """``[N, D]`` float64 of all numeric columns."""
        numbers = np.concatenate([number_column(table, name) for name in self.numeric], axis=1)
        refused = np.isinf(numbers) if self.missing == "mean" else ~np.isfinite(numbers)
        if refused.any():
            row, column = np.argwhere(refused)[0].tolist()
            value, name = numbers[row, column], self._owner(table, column)
            hint = "; set missing: mean to fill in missing numbers" if np.isnan(value) else ""
            raise InputError(
                f"{table.place(row)}: column {name!r} is {'missing' if np.isnan(value) else value} "
                f"({int(refused.any(axis=1).sum())} such rows in all){hint}"
            )
        return numbers

    def _owner(self, table: Table, column: int) -> str:
        """The name of the column that gave the number at this position."""
        for name in self.numeric:
            column -= number_column(table, name).shape[1]
            if column < 0:
                return name
        raise IndexError(column)
