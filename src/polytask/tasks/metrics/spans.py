"""Entities in tag sequences, by the strict reading: a sequence that breaks the scheme is no entity.

Shapes: M words of all examples end to end, E entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from polytask.errors import InputError

__all__ = ["PREFIXES", "Scheme", "Spans", "TagTable", "find_spans", "split_tag"]

Scheme = Literal["bio", "iob1", "iob2", "bioes"]

PREFIXES: dict[str, str] = {"bio": "BI", "iob1": "BI", "iob2": "BI", "bioes": "BIES"}
"""The prefixes of each scheme, beside O. ``bio`` and ``iob2`` are two names of one scheme."""


def split_tag(tag: str, scheme: str) -> tuple[str, str]:
    """``B-city`` to ``("B", "city")``; a tag without a type has the type "".

    The type is all that follows the first ``-``. seqeval differs: it strips ``-`` on both sides of
    a type, calls a missing type ``_``, and reads ``Bx`` as ``B-x`` and ``O-x`` as ``O``.

    Raises:
        InputError: the prefix is not one of the scheme.
    """
    prefix, _, kind = tag.partition("-")
    if tag != "O" and prefix not in tuple(PREFIXES[scheme]):
        expected = ", ".join(f"{letter}-type" for letter in PREFIXES[scheme])
        raise InputError(f"tag {tag!r} is not of scheme {scheme!r} (O, {expected})")
    return prefix, kind


@dataclass(frozen=True)
class TagTable:
    """Tags as arrays, so that a sequence of tag numbers is read without a loop.

    Args:
        prefix: ``[tags + 1]`` the letter of each tag number; the last entry is O, for words
            without a tag.
        kind: ``[tags + 1]`` the number of each tag's type; -1 for O.
        scheme: how prefixes mark entities.
    """

    prefix: np.ndarray
    kind: np.ndarray
    scheme: str

    @staticmethod
    def of(tags: Sequence[str], scheme: str) -> TagTable:
        """The table of these tags, in their order."""
        parts = [split_tag(tag, scheme) for tag in (*tags, "O")]
        kinds = {kind: number for number, kind in enumerate(sorted({kind for _, kind in parts}))}
        number = [-1 if prefix == "O" else kinds[kind] for prefix, kind in parts]
        return TagTable(np.array([prefix for prefix, _ in parts]), np.array(number), scheme)


@dataclass(frozen=True)
class Spans:
    """Entities: word ``[E]`` of the start, word after the end, number of the type."""

    start: np.ndarray
    end: np.ndarray
    kind: np.ndarray


def find_spans(tags: np.ndarray, first: np.ndarray, table: TagTable) -> Spans:
    """The entities in sequences of tags.

    Args:
        tags: ``[M]`` tag numbers; -1 reads as O.
        first: ``[M]`` true for the first word of each example.
        table: the tags.

    The result is that of seqeval 1.2.2 in strict mode for all sequences of ``bio``, ``iob2`` and
    ``bioes``, and for those that keep to ``iob1``. A sequence breaks ``iob1`` by a B after O or
    after another type. Here that B and what goes on from it is no entity, and nothing else changes.
    seqeval keeps what goes on (of ``O B-x I-x`` the last word), and loses an entity of one B just
    before it (of ``I-x B-x B-y`` the second x).
    """
    prefix, kind = table.prefix[tags], table.kind[tags]
    before = np.where(first, "O", np.roll(prefix, 1))
    continues = (kind == np.roll(kind, 1)) & np.isin(before, ("B", "I"))
    inside = continues & np.isin(prefix, ("I", "E"))
    start = np.flatnonzero(~inside)
    end = np.append(start, len(tags))[1:]
    opens = _opens(prefix, continues, table.scheme)[start]
    if table.scheme == "bioes":
        opens &= np.isin(prefix[end - 1], ("E", "S"))
    return Spans(start[opens], end[opens], kind[start[opens]])


def _opens(prefix: np.ndarray, continues: np.ndarray, scheme: str) -> np.ndarray:
    """Which words may begin an entity, given which go on with the type of the word before."""
    # In iob1, B only parts an entity from another one of its type just before it.
    opens = (prefix == "I") | ((prefix == "B") & continues)
    return opens if scheme == "iob1" else np.isin(prefix, ("B", "S"))
