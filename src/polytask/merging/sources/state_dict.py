"""Tensors in memory as an input of a merge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

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
        InputError: it is no state dict, or a value is no tensor, or none of numbers that can be
            stored.
    """

    kind: Kind = "weights"

    def __init__(self, label: str, tensors: Mapping[str, Tensor]) -> None:
        _check(label, tensors)
        self.label = label
        self.entries = {
            name: Entry(tuple(value.shape), value.dtype, label) for name, value in tensors.items()
        }
        self._flat = {name: value.reshape(-1) for name, value in tensors.items()}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        return self._flat[name][start:stop]


def _check(label: str, tensors: object) -> None:
    """Refuse what is no state dict, with what to give instead."""
    if not isinstance(tensors, Mapping):
        kind = type(tensors).__name__
        hint = "a state dict"
        if isinstance(tensors, nn.Module):
            hint = "its state_dict()"
        elif isinstance(tensors, str | Path):
            hint = "a state dict; polytask.merging.merge reads files"
        raise InputError(f"{label}: is a {kind}: give {hint}")
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise InputError(f"{label}: {name!r} is no name of a tensor")
        if not isinstance(value, Tensor):
            raise InputError(f"{label}: {name!r} is a {type(value).__name__}, not a tensor")
        if value.dtype not in CODES.values():
            raise InputError(f"{label}: tensor {name!r} is {value.dtype}: not to be merged")
        if value.is_meta or value.layout != torch.strided:
            kind = "has no numbers: it is on the meta device" if value.is_meta else "is sparse"
            raise InputError(f"{label}: tensor {name!r} {kind}")
