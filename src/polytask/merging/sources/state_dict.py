"""Tensors in memory as an input of a merge."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from polytask.errors import InputError
from polytask.merging.kinds import Kind
from polytask.merging.sources.base import Entry, Source
from polytask.merging.sources.header import CODES

__all__ = ["StateDict"]


class StateDict(Source):
    """A state dict. Reading keeps the graph of automatic differentiation.

    Args:
        label: what messages call it.
        tensors: name -> tensor.

    Raises:
        InputError: a value is no tensor, or none of numbers that can be stored.
    """

    kind: Kind = "weights"

    def __init__(self, label: str, tensors: Mapping[str, Tensor]) -> None:
        self.label = label
        for name, value in tensors.items():
            if not isinstance(value, Tensor):
                raise InputError(f"{label}: {name!r} is a {type(value).__name__}, not a tensor")
            if value.dtype not in CODES.values():
                raise InputError(f"{label}: tensor {name!r} is {value.dtype}: not to be merged")
        self.entries = {
            name: Entry(tuple(value.shape), value.dtype, label) for name, value in tensors.items()
        }
        self._flat = {name: value.reshape(-1) for name, value in tensors.items()}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        return self._flat[name][start:stop]
