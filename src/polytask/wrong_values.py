"""What is wrong with the values of a dataclass, told in the words of the user's own mapping."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from polytask.errors import InputError

__all__ = ["wrong_values"]


def wrong_values(errors: Iterable[Mapping[str, Any]], options: Any, *, where: str) -> str:
    """One sentence for each place with a wrong value.

    A value that may be of several types has an error for each of them: those at one place become
    one sentence, and a type that was left at once gives way to one whose content is wrong.

    Args:
        errors: of pydantic.
        options: the mapping in which they were found.
        where: the place of the mapping.
    """
    places: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for error in errors:
        places.setdefault(_place(error, options), []).append(error)
    deepest = [at for at in places if not any(_inside(other, at) for other in places)]
    return "; ".join(
        f"{'.'.join(part for part in (where, *at) if part)}: {_sentence(places[at])}"
        for at in deepest
    )


def _place(error: Mapping[str, Any], options: Any) -> tuple[str, ...]:
    """The location of an error without the names of the types that were tried on the way."""
    *parents, last = error["loc"] or ("",)
    place = []
    for part in (*parents, last):
        keys = options if isinstance(options, Mapping) else range(_length(options))
        if part in keys:
            place.append(str(part))
            options = options[part]
    return (*place, str(last)) if error["type"] == "missing" else tuple(place)


def _length(options: Any) -> int:
    return len(options) if isinstance(options, list | tuple) else 0


def _inside(place: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return len(place) > len(other) and place[: len(other)] == other


def _sentence(errors: Sequence[Mapping[str, Any]]) -> str:
    causes = [error.get("ctx", {}).get("error") for error in errors]
    for cause in causes:
        if isinstance(cause, InputError):
            return str(cause)
    if errors[0]["type"] == "missing":
        return "is required"
    expected = dict.fromkeys(_expected(error) for error in errors)
    given = errors[0]["input"]
    return f"{', or '.join(expected)}, got {given!r}{_near(given, expected)}"


def _expected(error: Mapping[str, Any]) -> str:
    if error["type"] in ("dict_type", "mapping_type", "dataclass_type"):
        return "must be a mapping"
    if error["type"] == "sequence_str":
        return "must be a list"
    return str(error["msg"]).replace("Input should be", "must be")


def _near(given: object, expected: Iterable[str]) -> str:
    """The nearest of the values that the messages quote."""
    quoted = re.findall(r"'([^']*)'", " ".join(expected))
    near = difflib.get_close_matches(str(given), quoted, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
