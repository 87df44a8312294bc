"""Parameters of a plan in YAML as options of our methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from polytask.errors import InputError, unknown
from polytask.merging.methods import METHODS
from polytask.merging.settings import AlongDepth, ByName, Setting

__all__ = ["DEFAULTS", "method_options"]

OWN = {"weight": "weights", "density": "density", "gamma": "outliers", "epsilon": "spread"}
"""Parameter that each model may have -> our option."""

SHARED = {"lambda": "scale", "t": "t", "select_topk": "density"}
"""Parameter of the whole plan with a number for each tensor -> our option."""

NUMBERS = {
    "tol": "tolerance",
    "max_iter": "iterations",
    "floor": "floor",
    "shrink": "shrink",
    "epsilon": "threshold",
    "r": "strength",
    "alpha": "most_shared",
}
"""Parameter of the whole plan that is one number for all tensors -> our option."""

SWITCHES = {"normalize": "normalise", "normalize_weights": "normalise", "rescale": "rescale"}
"""Parameter that is true or false -> our option."""

WITHOUT_EFFECT = {"int8_mask"}
"""Parameters that say how mergekit computes, not what."""

ONLY: Mapping[str, Mapping[str, Any]] = {
    "nuslerp": {"nuslerp_flatten": True, "nuslerp_row_wise": False},
    "model_stock": {"filter_wise": False},
    "multislerp": {"eps": 1e-8},
    "task_arithmetic": {"density": 1.0},
}
"""Method -> parameters that mergekit has and we do not, and the value that is the same without."""

NAMED = {*OWN.values(), *SHARED.values(), *NUMBERS.values(), *SWITCHES.values()}
"""Our options that have a name of mergekit's; others have their own in a plan."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "average": {},
    "linear": {"normalise": True},
    "slerp": {},
    "passthrough": {},
    "task_arithmetic": {},
    "ties": {"density": 1.0, "normalise": True, "trim": "tensor"},
    "dare_linear": {"density": 1.0, "rescale": True},
    "dare_ties": {"density": 1.0, "normalise": False, "rescale": True},
    "breadcrumbs": {"density": 1.0, "outliers": 0.01},
    "breadcrumbs_ties": {"density": 1.0, "outliers": 0.01, "normalise": False},
    "nuslerp": {},
    "multislerp": {"normalise": True},
    "karcher": {},
    "model_stock": {},
    "magmax": {},
    "sce": {"density": 1.0, "normalise": True},
    "arcee_fusion": {},
    "nearswap": {},
    "geometric_median": {},
    "della": {"density": 1.0, "spread": 0.15, "normalise": True, "rescale": True},
    "della_linear": {"density": 1.0, "spread": 0.15, "rescale": True},
    "fisher": {},
    "regmean": {},
    "ram": {},
    "pcb": {},
    "tsv_m": {},
    "iso_c": {},
    "iso_cts": {},
    "wudi": {},
}
"""Methods that a plan can name, with mergekit's defaults where it has the method."""


def method_options(
    method: str, own: Sequence[Mapping[str, Any]], shared: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """The options of a method.

    Args:
        method: its name.
        own: the parameters of each model.
        shared: the parameters of the plan.
        where: the place, for messages.

    Raises:
        InputError: an unknown parameter, or one that the method does not have; a value that is no
            number, gradient or list of filters.
    """
    fields = {field.name: field.type for field in dataclasses.fields(METHODS.get(method))}
    _check_names(method, fields, own, shared, where)
    options: dict[str, Any] = {**DEFAULTS[method]}
    for name, option in OWN.items():
        if fields.get(option) == "PerModel":
            default = DEFAULTS[method].get(option, 1.0)
            options[option] = [
                _setting([of_model.get(name), shared.get(name)], default, f"{where}: {name}")
                for of_model in own
            ]
    for name, option in SHARED.items():
        if name in shared:
            options[option] = _setting([shared[name]], None, f"{where}: {name}")
    for name, option in SWITCHES.items():
        if option in fields and name in shared:
            options[option] = shared[name]
    for name, option in NUMBERS.items():
        if option in fields and name in shared:
            options[option] = _count(shared[name], fields[option], f"{where}: {name}")
    for name in (n for n in shared if n in _own_options(fields)):
        if fields[name] == "bool":
            options[name] = shared[name]
        elif fields[name] == "Setting":
            options[name] = _setting([shared[name]], None, f"{where}: {name}")
        else:
            options[name] = _count(shared[name], fields[name], f"{where}: {name}")
    if "trim" in shared:
        options["trim"] = shared["trim"]
    if method in ("slerp", "nearswap") and "t" not in options:
        raise InputError(f"{where}: {method} needs the parameter t")
    return options


def _check_names(
    method: str,
    fields: Mapping[str, Any],
    own: Sequence[Mapping[str, Any]],
    shared: Mapping[str, Any],
    where: str,
) -> None:
    """Refuse parameters that the method does not have, and shared ones that a model has."""
    known = {name for name, option in OWN.items() if fields.get(option) == "PerModel"}
    known |= {name for name, option in SHARED.items() if fields.get(option) == "Setting"}
    known |= {name for name, option in {**NUMBERS, "trim": "trim"}.items() if option in fields}
    known |= {*SWITCHES, *WITHOUT_EFFECT, *_own_options(fields)}
    only = ONLY.get(method, {})
    for parameters in (shared, *own):
        for name, value in parameters.items():
            if name in only and _is(value, only[name], f"{where}: {name}"):
                continue
            if name not in known:
                raise unknown("parameter", name, known, where=f"{where}: {method}")
            if parameters is not shared and name not in OWN:
                raise InputError(f"{where}: {name} goes under the parameters of the whole plan")
    for name, option in SWITCHES.items():
        if not isinstance(shared.get(name, False), bool):
            raise InputError(f"{where}: {name}: expected true or false, got {shared[name]!r}")
        if shared.get(name) and option not in fields:
            raise InputError(f"{where}: {method} has no {name}: leave it out or set it to false")


def _is(value: Any, default: Any, where: str) -> bool:
    """Whether a value is a default; YAML takes 1e-8 for a text."""
    return value is default if isinstance(default, bool) else _number(value, where) == default


def _own_options(fields: Mapping[str, Any]) -> set[str]:
    """Options of a method that a plan gives by our name."""
    kinds = ("Setting", "float", "int", "bool")
    return {name for name, kind in fields.items() if kind in kinds and name not in NAMED}


def _setting(levels: Sequence[Any], default: float | None, where: str) -> Setting:
    """What the first level says that has a rule for a tensor.

    Args:
        levels: from the most important one; None where a level says nothing.
        default: what holds if none has a rule.
        where: the place, for messages.
    """
    rules = [rule for level in levels if level is not None for rule in _rules(level, where)]
    if default is not None:
        rules.append((None, default))
    return rules[0][1] if rules[0][0] is None else ByName(tuple(rules))


def _rules(level: Any, where: str) -> list[tuple[str | None, float | AlongDepth]]:
    if isinstance(level, dict):
        level = [level]
    if not isinstance(level, list) or not any(isinstance(item, dict) for item in level):
        return [(None, _value(level, where))]
    return [_rule(item, where) for item in level]


def _rule(item: Any, where: str) -> tuple[str | None, float | AlongDepth]:
    if not isinstance(item, dict) or "value" not in item or set(item) - {"filter", "value"}:
        raise InputError(f"{where}: expected filter and value, got {item!r}")
    part = item.get("filter", "*")
    if not isinstance(part, str):
        raise InputError(f"{where}: filter: expected a part of a name, got {part!r}")
    return None if part == "*" else part, _value(item["value"], where)


def _value(value: Any, where: str) -> float | AlongDepth:
    if isinstance(value, list) and value:
        return AlongDepth(tuple(_number(item, where) for item in value))
    return _number(value, where)


def _number(value: Any, where: str) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError("a switch is no number")
        return float(value)  # YAML takes 1e-3 for a text
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: expected a number, got {value!r}") from error


def _count(value: Any, kind: object, where: str) -> float:
    """A number; a whole one where the option is an integer, if it is one."""
    number = _number(value, where)
    return int(number) if kind == "int" and number.is_integer() else number
