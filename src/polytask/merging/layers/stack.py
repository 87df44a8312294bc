"""Models that are made of the layers of others: what a plan says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import InputError
from polytask.merging.given import as_list, as_path

__all__ = ["LayerRange", "Stack"]


@dataclass(frozen=True)
class LayerRange:
    """Some layers of a model, one after the other.

    Args:
        model: path of the model.
        first: number of the first layer, from 0.
        stop: number after that of the last one.

    Raises:
        InputError: these are no layers.
    """

    model: Path
    first: int
    stop: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", as_path("model", self.model))
        whole = type(self.first) is int and type(self.stop) is int
        if not (whole and 0 <= self.first < self.stop):
            raise InputError(f"{self}: no range of layers: expected 0 <= first < end")

    def __str__(self) -> str:
        return f"{self.model}[{self.first}:{self.stop}]"

    def __len__(self) -> int:
        return self.stop - self.first


@dataclass(frozen=True)
class Stack:
    """A model of layers of other models, as an input.

    Tensors before the layers (embeddings) are those of the first model, tensors after them (the
    last norm, the head) those of the last one.

    Args:
        slices: for each stack of layers by the beginning of its name (``encoder``), where its
            layers come from, in their new order; the name is empty if a model has only one.

    Raises:
        InputError: there are none, or they are no mapping from names to ranges of layers.
    """

    slices: Mapping[str, tuple[LayerRange, ...]]

    def __post_init__(self) -> None:
        if not isinstance(self.slices, Mapping):
            kind = type(self.slices).__name__
            raise InputError(f"slices: expected stack -> ranges of layers, got {kind}")
        made = {name: _ranges(name, given) for name, given in self.slices.items()}
        if not made or not all(made.values()):
            raise InputError("slices: there are none")
        object.__setattr__(self, "slices", made)

    def ranges(self) -> Iterator[LayerRange]:
        """All ranges of layers, in the order of the slices."""
        for found in self.slices.values():
            yield from found

    def __str__(self) -> str:
        parts = (
            f"{name} " * bool(name) + " + ".join(map(str, self.slices[name]))
            for name in self.slices
        )
        return "; ".join(parts)


def _ranges(name: object, given: Iterable[LayerRange]) -> tuple[LayerRange, ...]:
    """The ranges of layers of a stack."""
    if not isinstance(name, str):
        raise InputError(f"slices: {name!r} is no name of a stack of layers")
    found = tuple(as_list(f"slices[{name!r}]", given))
    for one in found:
        if not isinstance(one, LayerRange):
            raise InputError(f"slices[{name!r}]: expected a LayerRange, got {type(one).__name__}")
    return found
