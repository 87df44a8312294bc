"""YAML as plain values: no key twice, no value inside itself, nothing that runs code."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from polytask.errors import InputError

__all__ = ["parse_yaml"]

MERGE = "tag:yaml.org,2002:merge"
"""The key ``<<``, which brings in the keys of another mapping."""


class _Loader(yaml.SafeLoader):
    """YAML without double keys."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    _refuse_double(loader, node)
    loader.flatten_mapping(node)  # after the check: a key may replace one that << brings in
    return {
        _key(loader, key): loader.construct_object(value, deep=True) for key, value in node.value
    }


def _refuse_double(loader: _Loader, node: yaml.MappingNode) -> None:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        if key_node.tag == MERGE:
            continue
        key = _key(loader, key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {key!r} is there twice", problem_mark=key_node.start_mark
            )
        seen.add(key)


def _key(loader: _Loader, node: yaml.Node) -> Hashable:
    key = loader.construct_object(node, deep=True)
    if not isinstance(key, Hashable):
        raise yaml.constructor.ConstructorError(
            problem=f"a key must be text, got {key!r}", problem_mark=node.start_mark
        )
    return key


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, *, where: str) -> Any:
    """The value that YAML text stands for.

    Raises:
        InputError: it is no YAML, holds a key twice, or a value contains itself.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{where}{_explain(error)}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{where}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{where}: values are nested too deeply") from error
    except ValueError as error:  # a scalar such as the date 2026-13-45
        raise InputError(f"{where}: {error}") from error


def _explain(error: yaml.MarkedYAMLError) -> str:
    """Line and problem, in one line."""
    mark = error.problem_mark or error.context_mark
    place = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
    if error.problem == "found unconstructable recursive node":
        return f"{place}: a value contains itself (an alias * inside its own anchor &)"
    problem = " ".join(part for part in (error.context, error.problem) if part)
    return f"{place}: {problem}"
