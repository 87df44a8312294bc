"""Checks of options that several sources share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, get_args

from polytask.errors import InputError, unknown

__all__ = [
    "check_character",
    "check_choice",
    "check_names",
    "check_pattern",
    "choose",
    "names_there",
    "pattern_of",
]


def check_character(option: str, value: str) -> None:
    """Refuse anything but one character.

    Raises:
        InputError: it is longer, empty, or ends a line.
    """
    if len(value) != 1 or value in "\r\n":
        raise InputError(f"{option}: expected one character, got {value!r}")


def check_names(option: str, names: Iterable[str], *, ignored: str = "") -> None:
    """Refuse column names that are not a list, are empty, or occur twice.

    Args:
        option: the option, for messages.
        names: the column names.
        ignored: a name that may occur several times.

    Raises:
        InputError: names the column.
    """
    if isinstance(names, str) or not list(names):
        raise InputError(f"{option}: expected a list of column names, got {names!r}")
    seen = set()
    for name in names:
        if name in seen or not name:
            raise InputError(f"{option}: column {name!r} occurs twice or has no name")
        seen |= {name} - {ignored}


def names_there(names: Sequence[str], needed: Collection[str], width: int) -> tuple[str, ...]:
    """The names of the columns of a file that holds either all of them or the needed ones alone.

    Example:
        >>> names_there(("words", "tags"), ["words"], 1)
        ('words',)
    """
    alone = tuple(name for name in names if name in needed)
    return alone if len(alone) == width else tuple(names)


def check_pattern(pattern: str | None, *, reserved: Iterable[str]) -> None:
    """Refuse a pattern that is no regular expression with named groups.

    Args:
        pattern: the regular expression; None is fine.
        reserved: the columns that the source itself makes.

    Raises:
        InputError: says what is wrong with it.
    """
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise InputError(f"pattern: not a regular expression: {error}") from error
    if not groups:
        raise InputError(f"pattern: no named group such as (?P<label>...) in {pattern!r}")
    for name in reserved:
        if name in groups:
            raise InputError(f"pattern: the column {name!r} is made by the source itself")


def choose(names: Sequence[str], wanted: tuple[str, ...] | None, origin: str) -> list[str]:
    """The columns to read: those that are wanted, or all.

    Raises:
        InputError: a wanted column does not exist, or two columns have one name.
    """
    for name in wanted or ():
        if name not in names:
            raise unknown("column", name, names, where=origin)
    if len(set(names)) < len(names):
        raise InputError(f"{origin}: two columns have the same name: {sorted(names)}")
    return list(wanted or names)


def pattern_of(pattern: str | None, columns: Collection[str]) -> str | None:
    """The pattern, if one of its groups is among the columns."""
    if pattern is None or not set(re.compile(pattern).groupindex) & set(columns):
        return None
    return pattern


def check_choice(option: str, value: str, choices: Any) -> None:
    """Refuse a word that is not among those of a ``Literal``.

    Raises:
        InputError: names the nearest choice.
    """
    if value not in get_args(choices):
        raise unknown("choice", value, get_args(choices), where=option)
