"""Files that are no safetensors files, or almost: `InputError` or whole tensors, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from polytask.errors import InputError
from polytask.merging.sources.checkpoint import Checkpoint
from polytask.merging.sources.header import CODES, read_header

NUMBERS = st.one_of(
    st.integers(-2, 40),
    st.sampled_from([2**31, 2**63, 2**64 - 1, 10**30, 1.0, 0.5, True, None, "8", float("nan")]),
)
SIZES = st.one_of(st.lists(NUMBERS, max_size=3), NUMBERS)
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {
            "dtype": st.one_of(st.sampled_from([*CODES, "F8_E4M3", "f32", ""]), NUMBERS),
            "shape": SIZES,
            "data_offsets": st.one_of(st.lists(NUMBERS, min_size=2, max_size=2), SIZES),
        },
        optional={"more": NUMBERS},
    ),
    NUMBERS,
)
HEADERS = st.one_of(st.dictionaries(st.sampled_from("abc"), ITEMS, max_size=3), NUMBERS)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed") / "model.safetensors"


def opened(file: Path, content: bytes) -> Checkpoint | None:
    """What is read of a file; None if it is refused. What we accept is accepted elsewhere."""
    file.write_bytes(content)
    try:
        found = Checkpoint("it", [file])
    except InputError:
        return None
    tensors = dict(safetensors.deserialize(content))
    assert set(tensors) == set(found.entries)
    for name, entry in found.entries.items():
        values = found.read(name, 0, entry.size)
        assert values.shape == (entry.size,)
        assert bytes(values.view(torch.uint8).numpy().data) == bytes(tensors[name]["data"])
    return found


def packed(header: Any, data: bytes, *, longer: int = 0) -> bytes:
    text = json.dumps(header).encode()
    return max(0, len(text) + longer).to_bytes(8, "little") + text + data


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=64))
def test_any_bytes(file: Path, content: bytes) -> None:
    opened(file, content)


@settings(max_examples=400, deadline=None)
@given(header=HEADERS, size=st.integers(0, 64))
def test_any_header(file: Path, header: Any, size: int) -> None:
    opened(file, packed(header, bytes(range(size))))


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=40), longer=st.integers(-3, 3))
def test_any_text(file: Path, text: str, longer: int) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    opened(file, max(0, len(encoded) + longer).to_bytes(8, "little") + encoded)


SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
FILES = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
    st.tuples(SHAPES, st.sampled_from(list(CODES.values()))),
    min_size=1,
    max_size=4,
).filter(lambda tensors: "__metadata__" not in tensors)


@settings(max_examples=100, deadline=None)
@given(tensors=FILES)
def test_every_file_of_the_reference_implementation_is_read(
    file: Path, tensors: dict[str, tuple[tuple[int, ...], torch.dtype]]
) -> None:
    made = {name: torch.ones(shape).to(dtype) for name, (shape, dtype) in tensors.items()}
    save_file(made, file)
    found = opened(file, file.read_bytes())
    assert found is not None
    assert {name: entry.shape for name, entry in found.entries.items()} == {
        name: tuple(value.shape) for name, value in made.items()
    }
    assert all(found.entries[name].dtype == value.dtype for name, value in made.items())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_change_of_one_byte(file: Path, data: st.DataObject) -> None:
    save_file({"a": torch.arange(6).view(2, 3), "b": torch.ones(3).half()}, file)
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    opened(file, bytes(content))


def test_what_is_wrong_is_said(file: Path) -> None:
    item = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    other = {**item, "data_offsets": [4, 12]}
    for content, message in (
        (b"\xff" * 8 + b"{}", r"it has 10 bytes and a header of 18446744073709551615"),
        (packed({"a": item}, b"1234567"), r"its tensors end at byte \d+, the file at \d+"),
        (packed({"a": item, "b": other}, b"12345678" * 2), "'b' begins at 4, not at 8"),
        (
            packed({"a": {**item, "shape": [3]}}, b"12345678"),
            r"'a': 8 bytes for shape \[3\] of F32",
        ),
        (packed({"a": {**item, "dtype": "F8_E4M3"}}, b"12345678"), "'a' is stored as 'F8_E4M3'"),
        (packed({"__metadata__": {"a": 1}}, b""), "its metadata are no texts"),
        (packed([], b""), "its header is no mapping"),
        (b"\x15" + bytes(7) + b'{"a": 1, "a": 2}     ', "a name is there twice"),
        (packed({"a": item}, b"12345678", longer=1), "its header cannot be read"),
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_header(file)


def test_data_that_is_not_aligned(tmp_path: Path) -> None:
    item = {"dtype": "F64", "shape": [2], "data_offsets": [1, 17]}
    header = {"first": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "second": item}
    values = torch.tensor([1.5, -2.0], dtype=torch.float64)
    file = tmp_path / "model.safetensors"
    file.write_bytes(packed(header, b"\x07" + values.numpy().tobytes()))
    found = Checkpoint("it", [file])
    assert found.read("second", 0, 2).tolist() == [1.5, -2.0]
    assert found.read("second", 1, 2).tolist() == [-2.0]
    assert load_file(file)["first"].tolist() == [7]
