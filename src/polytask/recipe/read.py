"""From a YAML file to a recipe, with overrides, environment variables and clear errors."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from polytask.errors import InputError
from polytask.recipe.schema import Recipe
from polytask.registry import construct, plain

__all__ = ["override", "parse_assignments", "read_mapping", "read_recipe", "recipe_from", "recipe_text"]


class _Loader(yaml.SafeLoader):
    """YAML without double keys."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    pairs: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in pairs:
            raise InputError(f"{key_node.start_mark}: the key {key!r} is there twice".replace('"<unicode string>"', "recipe"))
        pairs[key] = loader.construct_object(value_node, deep=True)
    return pairs


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        InputError: the file is absent, is no YAML, holds a key twice or refers to itself.
    """
    if not file.is_file():
        near = [path.name for path in sorted(file.parent.glob("*.yaml"))] if file.parent.is_dir() else []
        raise InputError(f"{file}: no such recipe" + (f" (there are: {', '.join(near)})" if near else ""))
    try:
        value = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, InputError) as error:
        raise InputError(f"{file}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{file}: a value refers to itself") from error
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected a mapping with data, tasks, model and training")
    return value


def read_recipe(
    file: str | Path, *, overrides: Mapping[str, Any] | None = None, smoke: bool = False
) -> tuple[Recipe, Path]:
    """A recipe and the folder that its relative paths start from.

    Args:
        file: the YAML file.
        overrides: dotted key -> value.
        smoke: apply the recipe's own overrides for a short run first.

    Raises:
        InputError: see `recipe_from`.
    """
    file = Path(file)
    values = read_mapping(file)
    if smoke:
        values = override(values, values.get("smoke") or {})
    return recipe_from(override(values, overrides or {}), where=str(file)), file.parent


def recipe_from(values: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """A recipe from plain values.

    Raises:
        InputError: an unknown key (with the nearest one), a wrong type, a missing key.
    """
    return construct(Recipe, expand(values), kind="key", where=where)


def expand(value: Any) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in strings by environment variables.

    Raises:
        InputError: a variable without a default is not set.
    """
    if isinstance(value, Mapping):
        return {key: expand(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expand(item) for item in value]
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", _variable, value) if isinstance(value, str) else value


def _variable(match: re.Match[str]) -> str:
    name, default = match.groups()
    value = os.environ.get(name, default)
    if value is None:
        raise InputError(f"the environment variable {name} is not set")
    return value


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """``a.b=value`` as dotted key -> YAML value.

    Raises:
        InputError: no ``=``.
    """
    found = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InputError(f"--set {text!r} must look like a.b=value")
        found[key] = yaml.safe_load(value)
    return found


def override(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with values replaced at dotted keys.

    Raises:
        InputError: a key leads through something that is no mapping.
    """
    result = dict(values)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        level = result
        for parent in parents:
            inner = level.get(parent, {})
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
