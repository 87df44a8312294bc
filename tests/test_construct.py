"""Dataclasses from plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest

from polytask.construct import construct, plain
from polytask.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part. Its second sentence."""

    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of parts. More of it."""

    kind: Literal["hard", "soft"] = "hard"
    part: Part | None = None
    parts: Sequence[Part] = ()
    named: Mapping[str, Part] = field(default_factory=dict)
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise InputError("width must be positive")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": 1}, r"^here: unknown option 'widht'; did you mean 'width'"),
        ({"part": {"sise": 1}}, r"^here\.part: unknown key 'sise'; did you mean 'size'"),
        ({"parts": [{}, {"sise": 1}]}, r"^here\.parts\.1: unknown key 'sise'"),
        ({"named": {"a": {"sise": 1}}}, r"^here\.named\.a: unknown key 'sise'"),
        ({"part": {"size": "x"}}, r"^here\.part.*size: .*valid integer.*got 'x'"),
        ({"kind": "herd"}, r"^here\.kind: .*'hard' or 'soft'.*got 'herd'"),
        ({"width": -1}, "width must be positive"),
    ],
)
def test_wrong_options_name_the_place(options: Mapping[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        construct(Block, options, kind="option", where="here")


def test_plain_values() -> None:
    value = plain(Block(parts=(Part(),), named={"a": Part(size=2)}))
    assert value["parts"] == [{"size": 1}]
    assert construct(Block, value, kind="option", where="") == Block(
        parts=[Part()], named={"a": Part(size=2)}
    )
