"""From a YAML file to a recipe, with overrides, environment variables and clear errors."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from polytask.construct import construct, plain
from polytask.errors import InputError
from polytask.recipe.mapping import read_mapping
from polytask.recipe.schema import Recipe
from polytask.yaml_values import parse_yaml

__all__ = ["override", "parse_assignments", "read_recipe", "recipe_from", "recipe_text"]

VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
"""``${NAME}`` or ``${NAME:-default}``."""


def read_recipe(
    file: str | Path, *, overrides: Mapping[str, Any] | None = None, smoke: bool = False
) -> tuple[Recipe, Path]:
    """A recipe and the folder that its relative paths start from.

    Args:
        file: the YAML file.
        overrides: dotted key -> value.
        smoke: apply the recipe's own overrides for a short run first.

    Raises:
        InputError: see `recipe_from` and `polytask.recipe.mapping.read_mapping`.
    """
    file = Path(file)
    values = read_mapping(file)
    if smoke:
        short = values.get("smoke") or {}
        if not isinstance(short, Mapping):
            raise InputError(f"{file}.smoke: expected dotted key: value, got {short!r}")
        values = override(values, short)
    return recipe_from(override(values, overrides or {}), where=str(file)), file.parent


def recipe_from(values: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """A recipe from plain values.

    Raises:
        InputError: an unknown key (with the nearest one), a wrong type, a missing key, an
            environment variable that is not set.
    """
    return construct(Recipe, _expand(values, where), kind="key", where=where)


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """``a.b=value`` as dotted key -> YAML value.

    Raises:
        InputError: no ``=``, or a value that is no YAML.

    Example:
        >>> parse_assignments(["seeds=[0, 1]", "model.backbone=linear"])
        {'seeds': [0, 1], 'model.backbone': 'linear'}
    """
    found: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")):
            raise InputError(f"--set {text!r} must look like a.b=value")
        found[key] = parse_yaml(value, where=f"--set {text!r}")
    return found


def override(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with values replaced at dotted keys; a bare name on the way becomes a ``type``.

    Raises:
        InputError: a key leads through something that is no mapping.

    Example:
        >>> override({"model": {"backbone": "mlp"}}, {"model.backbone.dropout": 0.5})
        {'model': {'backbone': {'type': 'mlp', 'dropout': 0.5}}}
    """
    result = dict(values)
    for dotted, value in changes.items():
        *parents, last = str(dotted).split(".")
        level = result
        for parent in parents:
            inner = level.get(parent)
            inner = {"type": inner} if isinstance(inner, str) else inner
            if inner is not None and not isinstance(inner, Mapping):
                raise InputError(f"cannot set {dotted!r}: {parent!r} is {inner!r}, not a mapping")
            level[parent] = dict(inner or {})
            level = level[parent]
        level[last] = value
    return result


def recipe_text(recipe: Recipe) -> str:
    """The recipe as YAML, every default spelled out."""
    return yaml.safe_dump(plain(recipe), sort_keys=False, allow_unicode=True, width=100)


def _expand(value: Any, where: str) -> Any:
    """Replace environment variables in strings, at every depth."""
    if isinstance(value, Mapping):
        return {key: _expand(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_expand(item, f"{where}.{index}") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(lambda match: _variable(match, where), value)


def _variable(match: re.Match[str], where: str) -> str:
    name, default = match.groups()
    value = os.environ.get(name, default)
    if value is None:
        hint = f"set it, or give a default: ${{{name}:-value}}"
        raise InputError(f"{where}: the environment variable {name} is not set; {hint}")
    return value
