"""The header of a safetensors file, checked before any of its data is touched.

Format: 8 bytes with the length of the header, the header in JSON, then the data of all tensors,
one after the other without gaps. See https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from polytask.errors import InputError
from polytask.merging.sources.base import Entry

__all__ = ["CODES", "NAMES", "Header", "read_header"]

LONGEST_HEADER = 100_000_000
"""Bytes; the reference implementation refuses longer ones too."""

CODES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The formats of numbers that can be merged or copied."""

NAMES: Mapping[torch.dtype, str] = {dtype: code for code, dtype in CODES.items()}


@dataclass(frozen=True)
class Header:
    """What a file holds.

    Args:
        entries: name -> tensor, in the order of the data.
        starts: name -> first byte of its data in the file.
        metadata: texts that whoever wrote it added.
    """

    entries: Mapping[str, Entry]
    starts: Mapping[str, int]
    metadata: Mapping[str, str]


def read_header(file: Path) -> Header:
    """Read and check the header of a safetensors file.

    Raises:
        InputError: the file is absent, no regular one, truncated or no safetensors file, or its
            header contradicts itself or the size of the file; names the file and the tensor.
    """
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a named pipe would wait for a writer
            raise InputError(f"{file}: cannot be read: it is no regular file")
        size = found.st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, LONGEST_HEADER):
                raise _broken(file, f"it has {size} bytes and a header of {length}")
            text = stream.read(length)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error
    return _header(file, _parse(file, text), data=8 + length, size=size)


def _parse(file: Path, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError) as error:
        raise _broken(file, f"its header cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise _broken(file, "its header is no mapping")
    return found


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _header(file: Path, found: dict[str, Any], *, data: int, size: int) -> Header:
    metadata = found.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _broken(file, "its metadata are no texts")
    spans = {name: _span(file, name, item) for name, item in found.items()}
    entries: dict[str, Entry] = {}
    expected = 0
    for name in sorted(spans, key=lambda name: spans[name][:2]):
        begin, end, entry = spans[name]
        if begin != expected:
            raise _broken(file, f"tensor {name!r} begins at {begin}, not at {expected}")
        entries[name], expected = entry, end
    if data + expected != size:
        raise _broken(file, f"its tensors end at byte {data + expected}, the file at {size}")
    starts = {name: data + spans[name][0] for name in entries}
    return Header(entries, starts, metadata)


def _span(file: Path, name: str, item: Any) -> tuple[int, int, Entry]:
    """First and last byte of a tensor within the data, and the tensor."""
    where = f"tensor {name!r}"
    if not isinstance(item, dict) or set(item) != {"dtype", "shape", "data_offsets"}:
        raise _broken(file, f"{where} needs dtype, shape and data_offsets")
    shape, offsets = item["shape"], item["data_offsets"]
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
        raise _broken(file, f"{where}: shape {shape!r}, data_offsets {offsets!r}")
    code = item["dtype"]
    if not isinstance(code, str) or code not in CODES:
        known = ", ".join(CODES)
        raise InputError(f"{file}: {where} is stored as {code!r}; what can be merged: {known}")
    entry = Entry(tuple(shape), CODES[code], str(file))
    begin, end = offsets
    if end - begin != math.prod(shape) * entry.dtype.itemsize:
        raise _broken(file, f"{where}: {end - begin} bytes for shape {shape} of {code}")
    return begin, end, entry


def _sizes(value: Any) -> bool:
    """Whether a value is a list of sizes."""
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _broken(file: Path, reason: str) -> InputError:
    return InputError(f"{file}: truncated or no safetensors file: {reason}")
