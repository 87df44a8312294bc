"""From plain values to a dataclass, with every wrong key and type answered, and back."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from polytask.errors import InputError, unknown
from polytask.wrong_values import wrong_values

__all__ = ["check_keys", "construct", "plain"]

T = TypeVar("T")


def construct(cls: type[T], options: Mapping[str, Any], *, kind: str, where: str) -> T:
    """Make a dataclass from a mapping, with types checked and unknown keys answered.

    Raises:
        InputError: unknown key, wrong type, missing value, or a value that the class refuses.
    """
    from pydantic import ValidationError

    check_keys(cls, options, kind=kind, where=where)
    try:
        return cast(T, _adapter(cast(type, cls)).validate_python(dict(options)))
    except ValidationError as error:
        raise InputError(wrong_values(error.errors(), options, where=where)) from error


def check_keys(cls: type, options: Mapping[str, Any], *, kind: str, where: str) -> None:
    """Refuse keys that are no field of the dataclass, nor of the dataclasses inside it.

    Raises:
        InputError: an unknown key, with its place and the nearest one.
    """
    hints = _hints(cls)
    for key, value in options.items():
        if key not in hints:
            raise unknown(kind, key, hints, where=where)
        _check_inside(hints[key], value, where=f"{where}.{key}" if where else str(key))


def _check_inside(hint: Any, value: Any, *, where: str) -> None:
    """`check_keys` for the dataclasses of which a type is made, as far as the value follows it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        if isinstance(value, Mapping):
            check_keys(cast(type, hint), value, kind="key", where=where)
    elif origin is collections.abc.Mapping:
        for key, item in value.items() if isinstance(value, Mapping) else ():
            _check_inside(arguments[1], item, where=f"{where}.{key}")
    elif origin in (collections.abc.Sequence, list, tuple):
        for index, item in enumerate(value if isinstance(value, list | tuple) else ()):
            _check_inside(arguments[0], item, where=f"{where}.{index}")
    else:
        for argument in arguments:
            _check_inside(argument, value, where=where)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """Option -> its type."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}


@functools.cache
def _adapter(cls: type) -> Any:
    """What checks types; kept, because making one takes longer than using it."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def plain(value: Any) -> Any:
    """A value as plain lists, dicts, numbers and strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
