"""Merging of state dicts in memory, with gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.engine.group import chunks
from polytask.merging.engine.merger import Item, Merger
from polytask.merging.given import as_list
from polytask.merging.kinds import Delta, Weights
from polytask.merging.method import DeltaMethod, Method
from polytask.merging.options import check_inputs, make_method, nested
from polytask.merging.settings import check_count
from polytask.merging.sources.base import Source
from polytask.merging.sources.state_dict import StateDict
from polytask.merging.statistics.opened import in_memory
from polytask.merging.statistics.statistics import Statistics

__all__ = ["Direction", "merge_state_dicts", "prepare_state_dicts"]

StateDicts = Sequence[Mapping[str, Tensor]]


def merge_state_dicts(
    method: str | Method,
    *,
    models: StateDicts,
    base: Mapping[str, Tensor] | None = None,
    statistics: Sequence[Statistics] = (),
    seed: int = 0,
    **options: Any,
) -> dict[str, Tensor]:
    """Merge models in memory. The result has gradients where the inputs have.

    It is computed as `merge` computes files, with the same bits.

    Args:
        method: its name, or a method with its options.
        models: the models.
        base: the base model, for methods that merge changes.
        statistics: of each model, for methods that need what was measured on data.
        seed: of random numbers.
        options: of the method.

    Returns:
        Name -> tensor, in the dtype that the inputs have together. Names that share a tensor in
        all inputs share one in the result.

    Raises:
        InputError: the inputs do not fit the method or each other, an option is wrong, or a value
            is NaN or infinite.
    """
    chosen, models = make_method(method, options), as_list("models", models)
    ties = _ties(base, models)
    merger = _merger(chosen, base, models, ties, seed, statistics)
    merger.survey()
    return _tied({item.group.name: _whole(merger, item) for item in merger.items}, ties)


def prepare_state_dicts(
    method: str | Method,
    *,
    base: Mapping[str, Tensor],
    models: StateDicts,
    seed: int = 0,
    **options: Any,
) -> Direction:
    """Do all of a merge but its last step, so that many scales can be tried.

    Args:
        method: its name, or a method with its options; one that merges changes from a base.
        base: the base model.
        models: the models.
        seed: of random numbers.
        options: of the method.

    Raises:
        InputError: as `merge_state_dicts`; or the method has no scale.
    """
    chosen, models = make_method(method, options), as_list("models", models)
    ties = _ties(base, models)
    merger = _merger(chosen, base, models, ties, seed)
    if not isinstance(merger.method, DeltaMethod):
        raise InputError(f"{method} has no direction to scale: it merges weights, not changes")
    merger.survey()
    parts = {item.group.name: _direction(merger, item) for item in merger.items}
    return Direction(merger, parts, ties)


@dataclass(frozen=True)
class Direction:
    """Where a base model moves, prepared by `prepare_state_dicts`."""

    merger: Merger
    parts: Mapping[str, tuple[Tensor, Tensor | None]]
    ties: Mapping[str, str]

    def apply(self, scale: float | Tensor = 1.0) -> dict[str, Tensor]:
        """The merged model.

        Args:
            scale: factor of the direction; a tensor without dimensions may have a gradient. It
                replaces the method's own.

        Returns:
            Name -> tensor, as `merge_state_dicts` gives it.

        Raises:
            InputError: an input holds NaN or infinite values, or the result does; the scale is not
                finite.
        """
        if isinstance(scale, Tensor) and not scale.dim():
            number = float(scale.detach())
        elif isinstance(scale, int | float):
            number = float(scale)
        else:
            raise InputError("scale: expected a number, or a tensor without dimensions")
        if not math.isfinite(number):
            raise InputError(f"scale: must be finite, got {number}")
        return _tied({i.group.name: self._apply(i, scale) for i in self.merger.items}, self.ties)

    def _apply(self, item: Item, scale: float | Tensor) -> Tensor:
        base, change = self.parts[item.group.name]
        if change is not None:
            base = self.merger.applied(item, Weights(base), Delta(change), scale).values
        merged = base.to(item.group.stored)
        item.group.check_result(merged, 0, item.group.size)
        return merged.view(item.group.shape)


def _merger(
    method: Method,
    base: Mapping[str, Tensor] | None,
    models: StateDicts,
    ties: Mapping[str, str],
    seed: int,
    statistics: Sequence[Statistics] = (),
) -> Merger:
    """The merger of what is left when of tied names only the first one stays."""
    check_count("seed", seed)
    opened: dict[int, Source] = {}
    for index, model in enumerate(models):
        opened.setdefault(id(model), _opened(f"models[{index}]", model, ties))
    count = len(statistics)
    check_inputs(method, base=base is not None, models=len(models), statistics=count)
    _check_gradients(method, [*models, *([] if base is None else [base])])
    return Merger(
        method,
        base=None if base is None else opened.get(id(base), _opened("base", base, ties)),
        models=[opened[id(model)] for model in models],
        seed=seed,
        statistics=[
            in_memory(f"statistics[{index}]", one, without=ties)
            for index, one in enumerate(statistics)
        ],
    )


def _check_gradients(method: Method, inputs: StateDicts) -> None:
    """Refuse inputs with gradients where the result has none."""
    lacking = [type(m).__name__ for m in nested(method) if not m.contract.differentiable]
    if lacking and any(value.requires_grad for state in inputs for value in state.values()):
        raise InputError(f"{lacking[0]} has no gradients: give tensors without")


def _opened(label: str, model: Mapping[str, Tensor], ties: Mapping[str, str]) -> StateDict:
    if ties:
        model = {name: value for name, value in model.items() if name not in ties}
    return StateDict(label, model)


def _whole(merger: Merger, item: Item) -> Tensor:
    place = merger.place(item)
    pieces = [merger.merged(item, place, *chunk).values for chunk in chunks(0, item.group.size)]
    merged = _joined(pieces, item).to(item.group.stored)
    item.group.check_result(merged, 0, item.group.size)
    return merged.view(item.group.shape)


def _direction(merger: Merger, item: Item) -> tuple[Tensor, Tensor | None]:
    """The base of a tensor, and its direction if it has one."""
    place = merger.place(item)
    if item.treatment == "copy":
        return _whole(merger, item).reshape(-1), None
    pairs = [merger.direction(item, place, *chunk) for chunk in chunks(0, item.group.size)]
    bases, changes = [base.values for base, _ in pairs], [change.values for _, change in pairs]
    return _joined(bases, item), _joined(changes, item)


def _joined(pieces: Sequence[Tensor], item: Item) -> Tensor:
    return torch.cat(list(pieces)) if pieces else torch.empty(0, dtype=item.group.dtype)


def _ties(base: Mapping[str, Tensor] | None, models: StateDicts) -> dict[str, str]:
    """Name -> an earlier name that shares its tensor in every input."""
    inputs = [*([] if base is None else [base]), *models]
    if not all(isinstance(model, Mapping) for model in inputs):
        return {}  # an error follows that says which is none
    first: dict[tuple[object, ...], str] = {}
    ties = {}
    for name in inputs[0] if inputs else ():
        memory = tuple(_memory(model.get(name)) for model in inputs)
        earlier = first.setdefault(memory, name)
        if earlier != name and None not in memory:
            ties[name] = earlier
    return ties


def _memory(value: object) -> tuple[object, ...] | None:
    """What tensors share that share all of their elements; None if there are no elements."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or not value.numel():
        return None
    return (value.data_ptr(), value.shape, value.stride(), value.dtype)


def _tied(merged: Mapping[str, Tensor], ties: Mapping[str, str]) -> dict[str, Tensor]:
    return {**merged, **{name: merged[earlier] for name, earlier in ties.items()}}
