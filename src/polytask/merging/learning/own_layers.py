"""Layers of a merged model that each task has for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from polytask.errors import InputError, unknown
from polytask.merging.learning.changes import check_finite, detached
from polytask.merging.learning.experts import Experts, State

__all__ = ["OwnLayers"]


class OwnLayers:
    """A copy of a layer for each task, to be learned.

    Weights that the layer shares with others in the module are the task's own in all of them.

    Args:
        experts: the tasks, and the module that has the layers.
        layers: name of a module of it, or task -> the name of its own.
        merged: weights that all copies start from.

    Raises:
        InputError: there is no such module or task, or the module has no parameters.
    """

    def __init__(self, experts: Experts, layers: str | Mapping[str, str], merged: State) -> None:
        self._merged, self._ties = merged, experts.ties
        self._size = sum(value.numel() for value in experts.model.parameters())
        self._learned = {
            task: {name: _parameter(merged[name]) for name in _names(experts, layer)}
            for task, layer in _of_tasks(experts, layers).items()
        }

    def parameters(self) -> list[nn.Parameter]:
        """Of all tasks, float32 or wider."""
        return [value for layer in self._learned.values() for value in layer.values()]

    def of(self, task: str) -> dict[str, Tensor]:
        """Name -> tensor, in the dtype of the merged model, with gradients."""
        return {n: value.to(self._merged[n].dtype) for n, value in self._learned[task].items()}

    def states(self) -> dict[str, dict[str, Tensor]]:
        """Task -> all names that are its own -> tensor."""
        found = {task: detached(self.of(task)) for task in self._learned}
        for layer in found.values():
            check_finite(layer)
        return {task: self._whole(layer) for task, layer in found.items()}

    def shares(self) -> dict[str, float]:
        """Task -> parameters of its layer as a share of those of the merged model."""
        return {
            task: sum(value.numel() for value in layer.values()) / self._size
            for task, layer in self._learned.items()
        }

    def _whole(self, layer: State) -> dict[str, Tensor]:
        firsts = {name: self._ties.get(name, name) for name in self._merged}
        return {n: layer[first] for n, first in firsts.items() if first in layer}


def _of_tasks(experts: Experts, layers: str | Mapping[str, str]) -> Mapping[str, str]:
    """Task -> name of its layer."""
    if isinstance(layers, str):
        return dict.fromkeys(experts.batches, layers)
    if not isinstance(cast(object, layers), Mapping):
        raise InputError(f"layers: expected a name, or task -> name, got {type(layers).__name__}")
    for task in layers:
        if task not in experts.batches:
            raise unknown("task", task, experts.batches, where="layers")
    if missing := [task for task in experts.batches if task not in layers]:
        raise InputError(f"layers: that of task {missing[0]!r} is missing")
    return layers


def _names(experts: Experts, layer: str) -> list[str]:
    """The parameters of a layer, each by the first of its names."""
    modules = {name: module for name, module in experts.model.named_modules() if name}
    if layer not in modules:
        raise unknown("layer", layer, modules)
    own = [f"{layer}.{n}" for n, _ in modules[layer].named_parameters(remove_duplicate=False)]
    if not own:
        raise InputError(f"layer {layer!r}: has no parameters")
    return list(dict.fromkeys(experts.ties.get(name, name) for name in own))


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.to(torch.promote_types(value.dtype, torch.float32), copy=True))
