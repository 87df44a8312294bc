"""Named building blocks: how a word in a recipe becomes an object, and back."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from polytask.errors import InputError, unknown

__all__ = ["Registry", "check_keys", "construct", "import_name", "plain"]

T = TypeVar("T")


def import_name(path: str, *, where: str = "") -> Any:
    """The object at ``package.module:name``.

    Raises:
        InputError: the path has no colon, or the module or name does not exist.
    """
    module_name, _, name = path.partition(":")
    place = _prefix(where)
    if not name:
        raise InputError(f"{place}{path!r} must look like 'package.module:name'")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"{place}cannot import {module_name!r}: {error}") from error
    if not hasattr(module, name):
        raise unknown("name", name, vars(module), where=f"{place}module {module_name}")
    return getattr(module, name)


class Registry(Generic[T]):
    """A family of building blocks that recipes use by name.

    Every entry is a keyword-only dataclass; its fields are the options. Entries are import paths,
    imported when first used, so that a block costs nothing until it is named. A name that starts
    with ``python:`` is the import path of a user's own class, which needs ``trust``.

    Args:
        kind: what the family is called in messages, for example ``"output"``.
        entries: name in recipes -> ``"package.module:Class"``.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self.entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def get(self, name: str, *, where: str = "", trust: bool = False) -> type[T]:
        """The class of that name.

        Raises:
            InputError: the name is unknown, or is code of the user and ``trust`` is not given.
        """
        if name.startswith("python:"):
            if not trust:
                hint = "pass --trust (trust=True) if you trust it"
                raise InputError(f"{_prefix(where)}{name!r} runs code; {hint}")
            return cast("type[T]", import_name(name.removeprefix("python:"), where=where))
        if name not in self.entries:
            raise unknown(self.kind, name, self.entries, where=where)
        return cast("type[T]", import_name(self.entries[name]))

    def build(self, spec: str | Mapping[str, Any], *, where: str = "", trust: bool = False) -> T:
        """The object that a recipe describes: a name, or a mapping with ``type`` and options.

        Raises:
            InputError: unknown name or option, or an option of the wrong type; names the place.
        """
        options = {"type": spec} if isinstance(spec, str) else dict(spec)
        name = options.pop("type", None)
        if not isinstance(name, str):
            wanted = f"a {self.kind} name or a mapping with 'type'"
            raise InputError(f"{_prefix(where)}expected {wanted}, got {spec!r}")
        cls = self.get(name, where=where, trust=trust)
        return construct(cls, options, kind=f"option of {self.kind} {name!r}", where=where)

    def spec(self, block: T) -> dict[str, Any]:
        """The mapping that `build` turns into an equal object; plain values only."""
        cls = type(block)
        path = f"{cls.__module__}:{cls.__qualname__}"
        names = {name for name, entry in self.entries.items() if import_name(entry) is cls}
        options = {
            f.name: plain(getattr(block, f.name))
            for f in dataclasses.fields(cast(Any, block))
            if f.init and getattr(block, f.name) != _default(f)
        }
        return {"type": min(names) if names else f"python:{path}", **options}

    def describe(self) -> dict[str, str]:
        """Name -> first sentence of the documentation."""
        return {name: _first_sentence(self.get(name)) for name in self.entries}


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
        raise InputError("; ".join(_explain(item, where) for item in error.errors())) from error


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


def _prefix(where: str) -> str:
    return f"{where}: " if where else ""


def _explain(item: Any, where: str) -> str:
    path = ".".join(str(part) for part in (where, *item["loc"]) if part != "")
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return f"{path}: {cause}"
    return f"{path}: {item['msg']}, got {item['input']!r}"


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def _first_sentence(cls: type) -> str:
    text = " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".") + "."
