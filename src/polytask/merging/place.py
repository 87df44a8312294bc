"""Where in a model elements are: what a method may depend on beside their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polytask.merging.statistics.opened import OpenStatistics

__all__ = ["Place", "Position", "depths", "layer_of"]

NAMED = re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)(?=\.)")
"""The number of a layer in the name of a tensor: the first behind a part that says so..."""

NUMBER = re.compile(r"(?:^|\.)(\d+)(?=\.)")
"""... or else the first part that is a number."""


@dataclass(frozen=True)
class Position:
    """Where a tensor is along the layers of a model.

    Args:
        depth: 0 the first layer, 1 the last; 0 outside the layers.
        segment: number of the slice of layers that it is from, where a plan has slices.
    """

    depth: float
    segment: int = 0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the elements that a method combines are, and what is known there.

    Args:
        tensor: the name of the tensor.
        shape: of the tensor.
        depth: of its layer: 0 the first, 1 the last; 0 outside the layers.
        order: for each model as the method sees it, its index as the user gave it.
        keys: for each model as the method sees it, what its random numbers depend on.
        start: index of the first element in the flat tensor.
        segment: number of the slice of layers, where a plan has slices; see `Position`.
        found: what the method's own survey returned.
        statistics: for each model as the method sees it, what was measured of it; empty unless the
            method asks for statistics.
    """

    tensor: str
    shape: tuple[int, ...]
    depth: float
    order: tuple[int, ...]
    keys: tuple[bytes, ...]
    start: int = 0
    segment: int = 0
    found: Any = None
    statistics: tuple[OpenStatistics, ...] = ()


def layer_of(name: str) -> tuple[str, int] | None:
    """The prefix and the number of the layer of a tensor; None outside the layers."""
    found = NAMED.search(name) or NUMBER.search(name)
    return None if found is None else (name[: found.start(1)], int(found[1]))


def depths(names: Iterable[str]) -> Mapping[str, float]:
    """The depth of every tensor, read from the numbers in the names.

    Layers are counted under each prefix: an encoder and a decoder both go from 0 to 1. A single
    layer has depth 1.
    """
    layers = {name: layer for name in names if (layer := layer_of(name)) is not None}
    last: dict[str, int] = {}
    for prefix, number in layers.values():
        last[prefix] = max(number, last.get(prefix, 0))
    return {
        name: number / last[prefix] if last[prefix] else 1.0
        for name, (prefix, number) in layers.items()
    }
