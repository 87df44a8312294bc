"""One tensor of the merged model and the inputs that it is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.engine.finite import all_finite
from polytask.merging.engine.lazy import Lazy
from polytask.merging.kinds import Delta, Weights
from polytask.merging.sources.base import Source
from polytask.merging.sources.picked import Picked

__all__ = ["CHUNK", "PIECE", "Group", "chunks", "pieces", "pieces_between"]

PIECE = 1 << 20
"""Elements that one thread merges before it takes the next ones."""

CHUNK = 1 << 18
"""Elements that are computed at a time: few enough for the caches of a processor. `PIECE` is a
multiple. Results depend on neither."""


def pieces(size: int) -> Iterator[tuple[int, int]]:
    """First and last index of each piece of a flat tensor; an empty tensor has none."""
    return pieces_between(0, size)


def pieces_between(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """First and last index of each piece between two elements."""
    return _cut(start, stop, PIECE)


def chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """First and last index of each chunk between two elements."""
    return _cut(start, stop, CHUNK)


def _cut(start: int, stop: int, length: int) -> Iterator[tuple[int, int]]:
    for begin in range(start, stop, length):
        yield begin, min(begin + length, stop)


@dataclass(frozen=True, kw_only=True)
class Group:
    """A tensor and where its values come from.

    Args:
        name: of the tensor.
        shape: of the tensor.
        base: the base model, if there is one.
        models: in the order in which the method sees them.
        dtype: that is computed in.
        stored: that the result is stored in.
    """

    name: str
    shape: tuple[int, ...]
    base: Source | None
    models: tuple[Source, ...]
    dtype: torch.dtype
    stored: torch.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def picked(self, runs: Sequence[tuple[int, int]]) -> Group:
        """Some runs of elements, between two indices each, as if they were a tensor."""
        return replace(
            self,
            shape=(sum(stop - start for start, stop in runs),),
            base=None if self.base is None else Picked(self.base, self.name, runs),
            models=tuple(Picked(model, self.name, runs) for model in self.models),
        )

    def base_weights(self, start: int, stop: int) -> Weights:
        """A flat piece of the base.

        Raises:
            InputError: there is none.
        """
        if self.base is None:
            raise InputError(f"tensor {self.name!r}: a change of weights needs a base model")
        return Weights(self._read(self.base, start, stop))

    def weights(self, start: int, stop: int) -> Sequence[Weights]:
        """A flat piece of every model."""
        return Lazy([partial(self._weights, source, start, stop) for source in self.models])

    def deltas(self, base: Weights, start: int, stop: int) -> Sequence[Delta]:
        """The change of every model from a flat piece of the base."""
        return Lazy([partial(self._delta, source, base, start, stop) for source in self.models])

    def check_result(self, values: Tensor, start: int, stop: int) -> None:
        """Refuse a merged piece that is not finite: methods let NaN and infinities through.

        Args:
            values: as they are stored.
            start: first element.
            stop: the element after the last one.

        Raises:
            InputError: names the tensor and the input, or says that the result overflows.
        """
        if values.is_floating_point() and not all_finite(values):
            self._check_inputs(start, stop)
            raise InputError(
                f"tensor {self.name!r}: the result is not finite in {values.dtype}; "
                "a smaller scale or a wider dtype may help"
            )

    def _check_inputs(self, start: int, stop: int) -> None:
        for source in (*self.models, *([] if self.base is None else [self.base])):
            if not self._read(source, start, stop).isfinite().all():
                raise InputError(f"{source.label}: tensor {self.name!r} holds NaN or infinities")

    def _weights(self, source: Source, start: int, stop: int) -> Weights:
        if source.kind == "weights":
            return Weights(self._read(source, start, stop))
        base = self.base_weights(start, stop)
        return base + Delta(self._read(source, start, stop)) if source.touches(self.name) else base

    def _delta(self, source: Source, base: Weights, start: int, stop: int) -> Delta:
        values = source.read(self.name, start, stop)
        wide = values.to(self.dtype)
        if source.kind == "delta":
            return Delta(wide)
        if wide is values or wide.requires_grad or base.values.requires_grad:
            return Weights(wide) - base
        return Delta(wide.sub_(base.values))  # the copy that nobody else has

    def _read(self, source: Source, start: int, stop: int) -> Tensor:
        return source.read(self.name, start, stop).to(self.dtype)
