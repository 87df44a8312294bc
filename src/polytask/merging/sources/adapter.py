"""A LoRA adapter as an input of a merge: the exact change of weights that its factors make."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.kinds import Kind
from polytask.merging.sources.adapter_config import read_adapter_config
from polytask.merging.sources.adapter_layout import Target, find_layout
from polytask.merging.sources.base import Entry, Source
from polytask.merging.sources.checkpoint import Checkpoint
from polytask.merging.sources.locate import Location
from polytask.merging.sources.low_rank import Decomposed, Piece, Product, Replacement, Sum

__all__ = ["Adapter"]


class Adapter(Source):
    """What a LoRA adapter, as the peft library writes it, adds to a base model.

    The change of a weight is P = scale x (B A), computed from the factors in float32 or wider for
    each piece that is asked for, or with magnitudes (DoRA) m (W + P) / ||W + P|| - W. Whole tensors
    (heads, biases) change by their difference from the base. All other tensors change by exactly 0.

    Attributes:
        config: of the adapter.
        tensors: of its file.
        layout: where they belong in the base.

    Args:
        location: of the adapter.
        base: the model that it changes.

    Raises:
        InputError: the configuration or the file cannot be understood, or the adapter is one for
            another base: a tensor is absent there or has another shape.
    """

    kind: Kind = "delta"

    def __init__(self, location: Location, base: Source) -> None:
        self.label, self._base = str(location.path), base
        self.config = read_adapter_config(location.folder)
        self.tensors = Checkpoint(self.label, location.files)
        self.layout = find_layout(self.tensors, self.config, base)
        self._dtype = _widest(self.tensors, base)
        self.entries = {name: self._entry(entry) for name, entry in base.entries.items()}
        parts: dict[str, list[Piece]] = {name: [] for name in base.entries}
        for name, key in self.layout.whole.items():
            parts[name].append(Replacement(self._whole(key), self._of_base(name)))
        for name, target in self.layout.targets.items():
            parts[name].append(self._of_factors(name, target))
            if target.factors.bias is not None:
                bias = name.removesuffix("weight") + "bias"
                self._check_bias(bias, target.factors.bias)
                parts[bias].append(self._of_bias(target.factors.bias, target.module))
        self._changes = {name: Sum(found) for name, found in parts.items() if found}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        if name in self._changes:
            return self._changes[name](start, stop)
        return torch.zeros(stop - start, dtype=self.entries[name].dtype)

    def touches(self, name: str) -> bool:
        return name in self._changes

    def _of_factors(self, name: str, target: Target) -> Piece:
        """The change of a weight by its factors."""
        down, up = self._matrix(target.factors.down), self._matrix(target.factors.up)
        left, right = (down.T, up.T) if target.transposed else (up, down)
        product = Product(left, right, self.config.scale(target.module), self._dtype)
        key, wanted = target.factors.magnitude, up.shape[0] if self.config.dora else 0
        size = 0 if key is None else self.tensors.entries[key].size
        if size != wanted:
            raise InputError(
                f"{self.label}: {target.module!r} has {size} magnitudes of DoRA, not {wanted}"
            )
        if key is None:
            return product
        own = self.layout.whole.get(name)
        weights = self._of_base(name) if own is None else self._whole(own)
        magnitude = self._whole(key)(0, size)
        return Decomposed(weights, product, magnitude, by_row=not target.transposed)

    def _of_bias(self, key: str, module: str) -> Piece:
        """The change of a bias by the bias of the factor B."""
        column = self.tensors.read(key, 0, self.tensors.entries[key].size)[:, None]
        return Product(column, torch.ones(1, 1), self.config.scale(module), self._dtype)

    def _check_bias(self, name: str, key: str) -> None:
        base = self._base.entries.get(name)
        if base is None or base.shape != self.tensors.entries[key].shape:
            raise InputError(
                f"{self.label}: {key!r} changes {name!r}, which the base does not have"
            )

    def _matrix(self, key: str) -> Tensor:
        """A factor, with the kernel of a convolution as a part of the input."""
        entry = self.tensors.entries[key]
        return self.tensors.read(key, 0, entry.size).view(entry.shape[0], -1)

    def _whole(self, key: str) -> Piece:
        return partial(_converted, self.tensors, key, self._dtype)

    def _of_base(self, name: str) -> Piece:
        return partial(_converted, self._base, name, self._dtype)

    def _entry(self, entry: Entry) -> Entry:
        dtype = self._dtype if entry.dtype.is_floating_point else entry.dtype
        return Entry(entry.shape, dtype, self.label)


def _widest(*sources: Source) -> torch.dtype:
    """What is computed in: float32, or float64 if there is any."""
    dtypes = {entry.dtype for source in sources for entry in source.entries.values()}
    return torch.float64 if torch.float64 in dtypes else torch.float32


def _converted(source: Source, name: str, dtype: torch.dtype, start: int, stop: int) -> Tensor:
    return source.read(name, start, stop).to(dtype)
