"""Whether options that depend on names or slices fit the tensors that are merged."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from polytask.errors import InputError
from polytask.merging.method import Method
from polytask.merging.options import nested
from polytask.merging.settings import ByName, BySlice, parts_of

__all__ = ["check_slices", "unused_rules"]


def check_slices(method: Method, slices: int) -> None:
    """Refuse another number of values than there are slices.

    Args:
        method: with its options.
        slices: of layers; 1 where a plan has none.

    Raises:
        InputError: with the name of the option.
    """
    for option, setting in _settings(method):
        if isinstance(setting, BySlice) and len(setting.values) != slices:
            raise InputError(
                f"{option}: has {len(setting.values)} values by slice, there are {slices} slices"
            )


def unused_rules(method: Method, names: Collection[str]) -> list[str]:
    """A sentence for each rule by name that fits no tensor.

    Args:
        method: with its options.
        names: of all tensors.
    """
    rules = {
        (option, part): None
        for option, setting in _settings(method)
        if isinstance(setting, ByName)
        for part, _ in setting.rules
        if part is not None and not any(part in name for name in names)
    }
    return [
        f"{option}: no tensor has {part!r} in its name{_near(part, names)}"
        for option, part in rules
    ]


def _near(part: str, names: Collection[str]) -> str:
    """The nearest of the parts between the dots of all names, as a part of a message."""
    parts = sorted({known for name in names for known in name.split(".")})
    near = difflib.get_close_matches(part, parts, n=1)
    return f"; the nearest is {near[0]!r}" if near else ""


def _settings(method: Method) -> Iterator[tuple[str, object]]:
    """Option and setting, with those that are in others."""
    for part in nested(method):
        for option, value in vars(part).items():
            yield from ((option, setting) for setting in _within(value))


def _within(setting: object) -> Iterator[object]:
    yield setting
    for part in parts_of(setting) or ():
        yield from _within(part)
