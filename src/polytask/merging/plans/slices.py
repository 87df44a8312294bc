"""The slices of a plan in YAML: layers of models, one slice after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytask.errors import InputError, unknown
from polytask.merging.layers.stack import LayerRange, Stack
from polytask.merging.plans.inputs import Listed, Roles, parameters_of, read_listed, roles
from polytask.merging.plans.settings import method_options
from polytask.merging.settings import AlongDepth, ByName, BySlice

__all__ = ["Slice", "read_slices", "renamed", "sliced_options", "stacks"]

REFUSED = {
    "base_model": "a base of its own",
    "residual_weight": "a weight of what it gets",
    "models": "whole models under modules",
}
"""Keys of mergekit that cannot be read, and what they stand for."""


@dataclass(frozen=True)
class Slice:
    """Layers that are merged, or put behind those of the slice before.

    Args:
        module: the beginning of the name of the stack of layers; empty for the only one.
        models: base and models with their layers.
        parameters: of the slice.
        where: the place, for messages.
    """

    module: str
    models: Roles
    parameters: Mapping[str, Any]
    where: str


def read_slices(
    values: Mapping[str, Any], method: str, base: str | None, file: Path
) -> list[Slice]:
    """The slices of a plan, under ``slices`` or for each of ``modules``.

    Raises:
        InputError: they are no slices, name models in other numbers than the first one, or a slice
            has sources of different lengths.
    """
    lists = {"": (values.get("slices"), f"{file}: slices")}
    if "modules" in values:
        lists = _modules(values["modules"], f"{file}: modules")
    found = [
        _slice(item, module, method, base, file, f"{where}[{index}]")
        for module, (items, where) in lists.items()
        for index, item in enumerate(_list(items, where))
    ]
    count = len(found[0].models.models)
    for one in found:
        if len(one.models.models) != count:
            raise InputError(
                f"{one.where}: merges {len(one.models.models)} models, {found[0].where} {count}; "
                "weight 0 leaves one out"
            )
    return found


def _modules(values: Any, where: str) -> dict[str, tuple[Any, str]]:
    """Name of a module -> its slices and their place."""
    if not isinstance(values, dict) or not values:
        raise InputError(f"{where}: expected names of stacks of layers, each with slices")
    for name, module in values.items():
        _check_keys(module, {"slices"}, f"{where}.{name}")
    return {str(name): (m["slices"], f"{where}.{name}.slices") for name, m in values.items()}


def _list(values: Any, where: str) -> Sequence[Any]:
    if not isinstance(values, list) or not values:
        raise InputError(f"{where}: expected a list of slices")
    return values


def _check_keys(values: Any, needed: set[str], where: str, optional: str | None = None) -> None:
    if not isinstance(values, dict) or not needed <= set(values):
        raise InputError(f"{where}: expected {' and '.join(sorted(needed))}, got {values!r}")
    for key in values:
        if key in REFUSED:
            raise InputError(f"{where}: {key}: {REFUSED[key]} cannot be merged yet")
        if key not in needed and key != optional:
            raise unknown("key", key, filter(None, (*needed, optional)), where=where)


def _slice(item: Any, module: str, method: str, base: str | None, file: Path, where: str) -> Slice:
    _check_keys(item, {"sources"}, where, optional="parameters")
    listed = read_listed(item["sources"], f"{where}: sources", layers=True)
    ranges = [_range(model, file, where) for model in listed]
    if len({len(one) for one in ranges}) > 1:
        shown = ", ".join(map(str, ranges))
        raise InputError(f"{where}: its sources have different numbers of layers: {shown}")
    found = roles(method, base, listed, file, f"{where}: sources")
    return Slice(module, found, parameters_of(item.get("parameters"), where), where)


def _range(model: Listed, file: Path, where: str) -> LayerRange:
    try:
        return LayerRange(file.parent / model.path, *(model.layers or (0, 0)))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def stacks(slices: Sequence[Slice], file: Path) -> tuple[Stack | None, tuple[Stack, ...]]:
    """The base, if there is one, and the models that the slices are merged from."""
    bases = [one.models.base for one in slices]
    columns = zip(*(one.models.models for one in slices), strict=True)
    given = [base for base in bases if base]
    if given and len(given) < len(bases):
        lacking = next(one.where for one in slices if not one.models.base)
        raise InputError(f"{lacking}: has no base among its sources, other slices have one")
    start = _stack(slices, given, file) if given else None
    return start, tuple(_stack(slices, list(column), file) for column in columns)


def _stack(slices: Sequence[Slice], models: Sequence[Listed], file: Path) -> Stack:
    found: dict[str, tuple[LayerRange, ...]] = {}
    for one, model in zip(slices, models, strict=True):
        found[one.module] = (*found.get(one.module, ()), _range(model, file, one.where))
    return Stack(found)


def sliced_options(
    method: str, slices: Sequence[Slice], shared: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of a method whose numbers depend on the slice.

    Args:
        method: its name.
        slices: with parameters of their own, which come before those of the plan.
        shared: the parameters of the plan.

    Raises:
        InputError: an unknown parameter or a wrong value; one that only some slices have, or that
            cannot differ between slices.
    """
    found = [
        method_options(
            method,
            [renamed(method, model.parameters) for model in one.models.models],
            renamed(method, _over(one.parameters, shared)),
            one.where,
        )
        for one in slices
    ]
    return {name: _by_slice(name, found, slices[0].where) for name in _names(found, slices)}


def renamed(method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters with our names: the factor of `passthrough` has another one in mergekit."""
    if method != "passthrough":
        return parameters
    return {"weight" if name == "scale" else name: value for name, value in parameters.items()}


def _over(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of two places: where both have one, rules of the first come before the other's."""
    both = {name: [*_rules(first[name]), *_rules(then[name])] for name in first if name in then}
    return {
        **then,
        **first,
        **{n: v for n, v in both.items() if not isinstance(first[n], bool | str)},
    }


def _rules(value: Any) -> list[Any]:
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return value
    return [value if isinstance(value, dict) else {"value": value}]


def _names(found: Sequence[Mapping[str, Any]], slices: Sequence[Slice]) -> list[str]:
    """The options, which all slices must have."""
    for options, one in zip(found, slices, strict=True):
        if missing := sorted(set(found[0]) ^ set(options)):
            raise InputError(f"{one.where}: {missing[0]}: some slices have it; give it for all")
    return list(found[0])


def _by_slice(name: str, found: Sequence[Mapping[str, Any]], where: str) -> Any:
    values = [options[name] for options in found]
    if all(value == values[0] for value in values):
        return values[0]
    if all(isinstance(value, list) for value in values):
        return [_joined(name, column, where) for column in zip(*values, strict=True)]
    return _joined(name, values, where)


def _joined(name: str, values: Sequence[Any], where: str) -> Any:
    """One setting for all slices."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, float | AlongDepth | ByName):
            raise InputError(f"{where}: {name}: must be the same for all slices")
    return values[0] if len(set(values)) == 1 else BySlice(tuple(values))
