"""A checkpoint on disk: one or several safetensors files, mapped into memory."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.kinds import Kind
from polytask.merging.sources.base import Entry, Source
from polytask.merging.sources.header import read_header

__all__ = ["Checkpoint"]


class Checkpoint(Source):
    """The tensors of safetensors files; pages are read when they are used, and never written.

    Args:
        label: what messages call it.
        files: the files; no name may be in two of them.

    Attributes:
        metadata: of each file, the texts that whoever wrote it added.

    Raises:
        InputError: a file is absent, truncated or contradicts itself, or a name is there twice.
    """

    kind: Kind = "weights"

    def __init__(self, label: str, files: Sequence[Path]) -> None:
        self.label = label
        self.entries: dict[str, Entry] = {}
        self.metadata: list[Mapping[str, str]] = []
        self._flat: dict[str, Tensor] = {}
        for file in files:
            header = read_header(file)
            self.metadata.append(header.metadata)
            data = _map(file) if any(entry.size for entry in header.entries.values()) else None
            for name, entry in header.entries.items():
                if name in self.entries:
                    both = f"{self.entries[name].file} and {file}"
                    raise InputError(f"{label}: tensor {name!r} is both in {both}")
                self.entries[name] = entry
                self._flat[name] = _flat(data, header.starts[name], entry)

    def read(self, name: str, start: int, stop: int) -> Tensor:
        flat, dtype = self._flat[name], self.entries[name].dtype
        if flat.dtype == dtype:
            return flat[start:stop]
        return flat[start * dtype.itemsize : stop * dtype.itemsize].clone().view(dtype)


def _map(file: Path) -> Tensor:
    """The bytes of a file, not yet read."""
    try:
        with file.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        return torch.frombuffer(mapped, dtype=torch.uint8)


def _flat(data: Tensor | None, start: int, entry: Entry) -> Tensor:
    """The elements of a tensor, or its bytes where the file is not aligned as a view needs it."""
    if data is None:
        return torch.empty(0, dtype=entry.dtype)
    flat = data[start : start + entry.size * entry.dtype.itemsize]
    return flat if start % entry.dtype.itemsize else flat.view(entry.dtype)
