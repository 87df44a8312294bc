"""The header of an ARFF file: what its attributes are called and what they may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from polytask.errors import InputError

__all__ = ["Attribute", "parse_header", "split_values"]

NUMERIC = ("numeric", "real", "integer")
VALUE = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"][^,]*)|)\s*(,|$)""")
"""A value in single quotes, in double quotes or in none, up to the comma."""

ATTRIBUTE = re.compile(
    r"""@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s{]+))\s*(\{.*\}|\S.*)$""",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Attribute:
    """One column.

    Args:
        name: of the column.
        line: where it is declared.
        nominal: the values that it may have; None: a number or any text.
        is_number: whether it holds numbers; also true if all nominal values are integers.
    """

    name: str
    line: int
    nominal: tuple[str, ...] | None
    is_number: bool


def parse_header(lines: list[str], origin: str) -> tuple[list[Attribute], int]:
    """The attributes, and the line number (from 1) of ``@data``.

    Raises:
        InputError: a line is none that a header may have, two attributes have one name, or there is
            no ``@data``; names the line.
    """
    attributes: dict[str, Attribute] = {}
    for number, line in _declarations(lines):
        place = f"{origin}, line {number}"
        keyword = line.split(None, 1)[0].lower()
        if keyword == "@data":
            return list(attributes.values()), number
        if keyword == "@attribute":
            attribute = _attribute(line, number, place)
            if attribute.name in attributes:
                raise InputError(f"{place}, column {attribute.name!r}: is declared twice")
            attributes[attribute.name] = attribute
        elif keyword != "@relation":
            raise InputError(f"{place}: expected @relation, @attribute or @data, got {line[:40]!r}")
    raise InputError(f"{origin}: not an ARFF file, or cut short: there is no @data")


def split_values(text: str, place: str) -> list[str | None]:
    """The values between commas, without their quotes; ``?`` without quotes is None.

    Raises:
        InputError: a quote is not closed, or is followed by more text.
    """
    if "'" not in text and '"' not in text:
        return [None if value == "?" else value for value in map(str.strip, text.split(","))]
    values: list[str | None] = []
    position, comma = 0, ","
    while comma:
        match = VALUE.match(text, position)
        if match is None:
            raise InputError(
                f"{place}: a quote is not closed near {text[position : position + 40]!r}"
            )
        single, double, bare, comma = match.groups()
        quoted = single if single is not None else double
        plain = (bare or "").strip()
        values.append(_unescape(quoted) if quoted is not None else None if plain == "?" else plain)
        position = match.end()
    return values


def _declarations(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("%"):
            yield number, line.strip()


def _attribute(line: str, number: int, place: str) -> Attribute:
    match = ATTRIBUTE.match(line)
    if match is None:
        raise InputError(f"{place}: expected '@attribute name type', got {line[:60]!r}")
    name = next(_unescape(group) for group in match.groups()[:3] if group is not None)
    kind = match[4].strip()
    if kind.startswith("{"):
        nominal = tuple(str(v) for v in split_values(kind[1:-1], place))
        return Attribute(name, number, nominal, all(re.fullmatch(r"-?\d+", v) for v in nominal))
    word = kind.split()[0].lower()
    if word not in (*NUMERIC, "string", "date"):
        raise InputError(f"{place}, column {name!r}: unknown type {kind[:40]!r}")
    return Attribute(name, number, None, word in NUMERIC)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
