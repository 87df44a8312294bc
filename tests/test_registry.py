from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.test_construct import Block, Part

from polytask.balance.methods import BALANCERS
from polytask.data.inputs import INPUTS
from polytask.data.mixtures import MIXTURES
from polytask.data.sources import SOURCES
from polytask.errors import InputError
from polytask.merging.compression.methods import COMPRESSIONS
from polytask.merging.methods import METHODS
from polytask.models.backbones import BACKBONES
from polytask.models.sharing import SHARING
from polytask.randomness import initialised, seed_all, seeded
from polytask.registry import Registry, import_name
from polytask.tasks.outputs import OUTPUTS

HERE = Block.__module__
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


def test_a_block_is_described_without_the_import_of_others() -> None:
    blocks: Registry[Block] = Registry("block", {"a": "no.such:Block", "b": f"{HERE}:Block"})
    assert blocks.spec(Block()) == {"type": "b"}


@pytest.mark.parametrize(
    "registry",
    [BACKBONES, BALANCERS, COMPRESSIONS, INPUTS, METHODS, MIXTURES, OUTPUTS, SHARING, SOURCES],
    ids=lambda registry: registry.kind,
)
def test_entries_are_where_classes_are_defined(registry: Registry[Any]) -> None:
    for name, entry in registry.entries.items():
        found = registry.get(name)
        assert entry == f"{found.__module__}:{found.__qualname__}"


def test_a_wrong_option_names_the_block() -> None:
    message = r"^here: unknown option of block 'block' 'widht'; did you mean 'width'"
    with pytest.raises(InputError, match=message):
        BLOCKS.build({"type": "block", "widht": 1}, where="here")


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
    with pytest.raises(InputError, match=r"must look like 'package\.module:name'"):
        import_name(":name")
    with pytest.raises(InputError, match="unknown name 'sqrtt'; did you mean 'sqrt'"):
        import_name("math:sqrtt")


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"^here: there is no module 'no_such_module'.*PYTHONPATH"):
        import_name("no_such_module.part:x", where="here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", r"^here: cannot import 'own': No module named 'no_such_module'$"),
        ("1 / 0", r"^here: cannot import 'own': ZeroDivisionError"),
        ("x =", r"^here: cannot import 'own': SyntaxError"),
    ],
)
def test_a_module_that_fails(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=message):
        import_name("own:x", where="here")


def test_what_is_no_class_is_no_block() -> None:
    with pytest.raises(InputError, match=r"^here: 'python:math:sqrt': expected a dataclass"):
        BLOCKS.build("python:math:sqrt", where="here", trust=True)
    with pytest.raises(InputError, match="a dataclass that is a block, got <class 'object'>"):
        BLOCKS.build("python:builtins:object", trust=True)


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
