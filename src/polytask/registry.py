"""Named building blocks: how a word in a recipe becomes an object, and back."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

from polytask.construct import construct, plain
from polytask.errors import InputError, unknown

__all__ = ["Registry", "import_name"]

T = TypeVar("T")


def import_name(path: str, *, where: str = "") -> Any:
    """The object at ``package.module:name``.

    Args:
        path: of the object.
        where: the place that names it, for example ``data.exams.source``; for messages.

    Raises:
        InputError: the path has no colon, the module or name does not exist, or the module fails
            while it is imported.
    """
    module_name, _, name = path.partition(":")
    place = _prefix(where)
    if not (module_name and name):
        raise InputError(f"{place}{path!r} must look like 'package.module:name'")
    module = _module(module_name, place)
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise unknown("name", name, dir(module), where=f"{place}module {module_name}") from error


def _module(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # it is there and imports another one
            raise InputError(f"{place}cannot import {name!r}: {error}") from error
        raise InputError(
            f"{place}there is no module {error.name!r}: install it, or let PYTHONPATH name the "
            "folder that it is in; for a file beside the recipe: PYTHONPATH=<folder of the recipe>"
        ) from error
    except Exception as error:  # code of a user fails in any way
        raise InputError(f"{place}cannot import {name!r}: {error!r}") from error


class Registry(Generic[T]):
    """A family of building blocks that recipes use by name.

    Every entry is a keyword-only dataclass; its fields are the options. Entries are import paths,
    imported when first used, so that a block costs nothing until it is named. A name that starts
    with ``python:`` is the import path of a user's own class, which needs ``trust``.

    Args:
        kind: what the family is called in messages, for example ``"output"``.
        entries: name in recipes -> ``"package.module:Class"``, where the class is defined.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self.entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def get(self, name: str, *, where: str = "", trust: bool = False) -> type[T]:
        """The class of that name.

        Raises:
            InputError: the name is unknown, or is code of the user and ``trust`` is not given, or
                is no class that can be an entry.
        """
        if name.startswith("python:"):
            return self._own(name, where=where, trust=trust)
        if name not in self.entries:
            raise unknown(self.kind, name, self.entries, where=where)
        return cast("type[T]", import_name(self.entries[name]))

    def _own(self, name: str, *, where: str, trust: bool) -> type[T]:
        """The user's own class."""
        if not trust:
            hint = "pass --trust (trust=True) if you trust it"
            raise InputError(f"{_prefix(where)}{name!r} runs code; {hint}")
        found = import_name(name.removeprefix("python:"), where=where)
        if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
            wanted = f"a dataclass that is a {self.kind}"
            raise InputError(f"{_prefix(where)}{name!r}: expected {wanted}, got {found!r}")
        return cast("type[T]", found)

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
        names = {name for name, entry in self.entries.items() if entry == path}
        options = {
            f.name: plain(getattr(block, f.name))
            for f in dataclasses.fields(cast(Any, block))
            if f.init and getattr(block, f.name) != _default(f)
        }
        return {"type": min(names) if names else f"python:{path}", **options}

    def describe(self) -> dict[str, str]:
        """Name -> first sentence of the documentation."""
        return {name: _first_sentence(self.get(name)) for name in self.entries}


def _prefix(where: str) -> str:
    return f"{where}: " if where else ""


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def _first_sentence(cls: type) -> str:
    text = " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".") + "."
