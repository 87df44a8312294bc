"""Heads that only some inputs bring, adapters or models of other tasks: kept as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from polytask.errors import InputError, unknown
from polytask.merging.engine.finite import all_finite
from polytask.merging.engine.group import pieces
from polytask.merging.engine.rounding import rounded, rounding_key
from polytask.merging.engine.stream import Precision
from polytask.merging.output.writer import Writer
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.base import Entry, Source

__all__ = [
    "Head",
    "HeadChoice",
    "check_head_choice",
    "choose_heads",
    "entries_of_heads",
    "heads_of",
    "write_heads",
]

HeadChoice = Literal["same", "first", "skip"]
"""``same``: inputs that bring the same head must bring the same values. ``first``: that of the
first one is kept. ``skip``: heads are left out."""

CHOICES = ("same", "first", "skip")


@dataclass(frozen=True)
class Head:
    """A tensor that an input brings.

    Args:
        source: that has it.
        key: its name there.
    """

    source: Source
    key: str

    @property
    def entry(self) -> Entry:
        """What the tensor is."""
        return self.source.entries[self.key]


def check_head_choice(name: str) -> None:
    """Refuse an unknown choice.

    Raises:
        InputError: with the nearest one.
    """
    if name not in CHOICES:
        raise unknown("heads", name, CHOICES)


def heads_of(adapter: Adapter) -> list[tuple[str, Head]]:
    """Name and tensor of all that an adapter brings and its base does not have."""
    return [(name, Head(adapter.tensors, key)) for name, key in adapter.layout.heads.items()]


def choose_heads(heads: Iterable[tuple[str, Head]], choice: HeadChoice) -> dict[str, Head]:
    """The heads that the result gets: name -> where it is.

    Raises:
        InputError: inputs bring different heads of one name, and the choice is ``same``.
    """
    chosen: dict[str, Head] = {}
    for name, head in heads if choice != "skip" else ():
        first = chosen.setdefault(name, head)
        if choice == "same" and not _equal(first, head):
            raise InputError(
                f"{name!r} is not merged, and {first.source.label} and {head.source.label} bring "
                "different ones: heads='first' keeps that of the first one, 'skip' leaves all out "
                "(--heads first, --heads skip)"
            )
    return chosen


def entries_of_heads(heads: Mapping[str, Head], precision: Precision) -> dict[str, Entry]:
    """The tensors of the result that are heads."""
    return {
        name: replace(head.entry, dtype=precision.stored(head.entry.dtype))
        for name, head in heads.items()
    }


def write_heads(heads: Mapping[str, Head], writer: Writer, precision: Precision) -> None:
    """Write heads, rounded if a dtype is wanted.

    Raises:
        InputError: one holds NaN or infinite values.
        OSError: it cannot be written.
    """
    for name, head in heads.items():
        for start, stop in pieces(head.entry.size):
            values = head.source.read(head.key, start, stop)
            if values.is_floating_point() and not all_finite(values):
                raise InputError(
                    f"{head.source.label}: tensor {head.key!r} holds NaN or infinities"
                )
            dtype, key = precision.stored(values.dtype), rounding_key(precision.seed, name)
            writer.write(name, start, rounded(values, dtype, precision.rounding, key, start))


def _equal(one: Head, other: Head) -> bool:
    if one.entry.shape != other.entry.shape or one.entry.dtype != other.entry.dtype:
        return False
    both = [h.source.read(h.key, 0, h.entry.size) for h in (one, other)]
    return torch.equal(*both)
