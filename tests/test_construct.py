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
    score: Mapping[str, float] | Literal["single"] = "single"
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
        ({"kind": "herd"}, r"did you mean 'hard'\?$"),
        ({"width": -1}, "^here: width must be positive"),
        (
            {"score": "simgle"},
            r"^here\.score: must be a mapping, or must be 'single', got 'simgle'; did you",
        ),
        ({"score": {"a": "x"}}, r"^here\.score\.a: must be a valid number[^;]*, got 'x'$"),
        ({"parts": "x"}, r"^here\.parts: must be a list, got 'x'$"),
        ({"width": "x", "part": 3}, r"^here\.part: [^;]*; here\.width: [^;]*$"),
    ],
)
def test_wrong_options_name_the_place(options: Mapping[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        construct(Block, options, kind="option", where="here")


def test_a_value_that_is_missing() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needs:
        name: str

    with pytest.raises(InputError, match=r"^here\.name: is required$"):
        construct(Needs, {}, kind="option", where="here")


def test_plain_values() -> None:
    value = plain(Block(parts=(Part(),), named={"a": Part(size=2)}))
    assert value["parts"] == [{"size": 1}]
    assert construct(Block, value, kind="option", where="") == Block(
        parts=[Part()], named={"a": Part(size=2)}
    )
