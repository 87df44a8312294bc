"""Sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from polytask.data.inputs.base import Input
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Field, Ragged, TextEncoder

__all__ = ["Waveform"]


@dataclass(frozen=True, kw_only=True)
class Waveform(Input):
    """One waveform per example, of any length.

    Args:
        column: the column of the waveforms, float in [-1, 1].
        rate_column: the column of their sampling rates in hertz; all must be equal.
        rate: sampling rate in hertz, found by `fit`.

    Raises:
        InputError: a waveform that is missing, empty, of several channels or not finite; a
            sampling rate that is missing or not the one of training.
    """

    column: str = "waveform"
    rate_column: str = "sample_rate"
    rate: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, self.rate_column)

    def fit(self, table: Table) -> Self:
        super().fit(table)
        return replace(self, rate=self._rate(table, 0))

    def encode(self, table: Table, text: TextEncoder | None = None) -> dict[str, Field]:
        for row in range(len(table)):
            rate = self._rate(table, row)
            if rate != self.rate:
                raise InputError(
                    f"{table.place(row)}: sampled at {rate} Hz, in training at {self.rate} Hz"
                )
        return {"waveform": Ragged.from_rows([self._wave(table, row) for row in range(len(table))])}

    def shapes(self) -> Mapping[str, Any]:
        return {"waveform": self.rate}

    def _rate(self, table: Table, row: int) -> int:
        rate = table.column(self.rate_column)[row]
        if not isinstance(rate, int | float | np.number) or not 0 < rate < np.inf:
            place = f"{table.place(row)}: column {self.rate_column!r}"
            raise InputError(f"{place} must be a sampling rate in hertz, got {rate!r}")
        return int(rate)

    def _wave(self, table: Table, row: int) -> Tensor:
        """``[L]`` float32."""
        wave, place = table.column(self.column)[row], f"{table.place(row)}: column {self.column!r}"
        try:
            values = np.array(wave, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"{place} is no waveform: {error}") from error
        if wave is None or values.ndim != 1 or len(values) == 0:
            shape = "missing" if wave is None else f"of shape {values.shape}"
            raise InputError(f"{place} must be a waveform of one channel, but is {shape}")
        if not np.isfinite(values).all():
            raise InputError(f"{place} has samples that are not finite")
        return torch.from_numpy(values)
