from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
import torch

from polytask.errors import InputError
from polytask.randomness import initialised, seed_all, seeded
from polytask.registry import Registry, construct, import_name, plain


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


HERE = __name__
BLOCKS: Registry[Block] = Registry("block", {"block": f"{HERE}:Block"})


def test_a_name_or_a_mapping_makes_a_block() -> None:
    assert BLOCKS.build("block") == Block()
    options = {"type": "block", "parts": [{"size": 2}], "named": {"a": {"size": 3}}, "width": 2}
    built = BLOCKS.build(options)
    assert built == Block(parts=[Part(size=2)], named={"a": Part(size=3)}, width=2.0)
    assert BLOCKS.build(BLOCKS.spec(built)) == built
    assert BLOCKS.spec(Block()) == {"type": "block"}
    assert list(BLOCKS) == ["block"]
    assert BLOCKS.describe() == {"block": "A block of parts."}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": 1}, r"^here: unknown option of block 'block' 'widht'; did you mean 'width'"),
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
        BLOCKS.build({"type": "block", **options}, where="here")


def test_unknown_names() -> None:
    with pytest.raises(InputError, match=r"^here: unknown block 'blok'; did you mean 'block'"):
        BLOCKS.build("blok", where="here")
    with pytest.raises(InputError, match=r"^expected a block name or a mapping with 'type'"):
        BLOCKS.build({"width": 1})


def test_code_of_the_user_needs_trust() -> None:
    name = f"python:{HERE}:Block"
    with pytest.raises(InputError, match=r"^here: .*runs code; pass --trust"):
        BLOCKS.build(name, where="here")
    with pytest.raises(InputError, match=r"^'python:"):
        BLOCKS.build(name)
    assert BLOCKS.build(name, trust=True) == Block()


def test_import_paths() -> None:
    assert import_name("math:pi") == pytest.approx(3.14159, abs=1e-5)
    with pytest.raises(InputError, match=r"must look like 'package\.module:name'"):
        import_name("math.pi")
    with pytest.raises(InputError, match="cannot import 'no_such_module'"):
        import_name("no_such_module:x")
    with pytest.raises(InputError, match="unknown name 'sqrtt'; did you mean 'sqrt'"):
        import_name("math:sqrtt")


def test_plain_values() -> None:
    value = plain(Block(parts=(Part(),), named={"a": Part(size=2)}))
    assert value["parts"] == [{"size": 1}]
    assert construct(Block, value, kind="option", where="") == Block(
        parts=[Part()], named={"a": Part(size=2)}
    )


def test_random_numbers_depend_on_seed_and_purpose() -> None:
    first = seeded(1, "rows", 2).random(3)
    assert np.array_equal(first, seeded(1, "rows", 2).random(3))
    for other in (seeded(2, "rows", 2), seeded(1, "row", 2), seeded(1, "rows", 3)):
        assert not np.array_equal(first, other.random(3))
    with pytest.raises(InputError, match="negative"):
        seeded(-1)


def test_global_generators_are_seeded_alike() -> None:
    seed_all(1, "step", 3)
    first = (torch.rand(2), np.random.random(2))  # noqa: NPY002
    torch.rand(5)
    seed_all(1, "step", 3)
    assert torch.equal(first[0], torch.rand(2))
    assert np.array_equal(first[1], np.random.random(2))  # noqa: NPY002


def test_initial_values_leave_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with initialised(0, "head"):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with initialised(0, "head"):
        assert torch.equal(torch.rand(2), first)
