"""One model of a folder of compressed task vectors, as an input of a merge."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polytask.errors import InputError, unknown
from polytask.merging.compression.compression import Compression
from polytask.merging.compression.methods import COMPRESSIONS
from polytask.merging.compression.part import UNIT, Part, Parts, entry_name
from polytask.merging.kinds import Kind
from polytask.merging.sources.base import Entry, Source
from polytask.merging.sources.checkpoint import Checkpoint
from polytask.merging.sources.header import CODES
from polytask.merging.sources.locate import read_json

__all__ = ["CompressedModel"]


class CompressedModel(Source):
    """What a model learned, read out of a folder that `compress` wrote. It is a change of a base.

    Args:
        folder: with ``vectors.json`` and ``vectors.safetensors``.
        name: of the model.

    Raises:
        InputError: there is no such model, a file is broken, or the two contradict each other.
    """

    kind: Kind = "delta"

    def __init__(self, folder: Path, name: str) -> None:
        self.label = str(folder / name)
        self._file = folder / "vectors.json"
        about = read_json(self._file)
        try:
            names: list[str] = list(about["models"])
            self._tensors: Mapping[str, Any] = dict(about["tensors"])
            self.base: str = about["base"]
            self.entries = {key: self._entry(value) for key, value in self._tensors.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{self._file}: is no description of task vectors: {error!r}"
            ) from error
        if name not in names:
            raise unknown("model", name, names, where=str(folder))
        self._row, self._models = names.index(name), len(names)
        self._stored = Checkpoint(str(folder), [folder / "vectors.safetensors"])
        self._decoders = {key: self._decoder(key) for key in self._tensors if self.touches(key)}

    def read(self, name: str, start: int, stop: int) -> Tensor:
        if not self.touches(name):
            return torch.zeros(stop - start, dtype=self.entries[name].dtype)
        first = start // UNIT * UNIT
        last = min(-(-stop // UNIT) * UNIT, self.entries[name].size)
        decoder, parts = self._decoders[name]
        rows = {key: self._part(name, key, part, first, last) for key, part in parts.items()}
        return decoder.decode(rows, first, last)[start - first : stop - first]

    def touches(self, name: str) -> bool:
        return self._tensors[name]["compression"] is not None

    def _entry(self, tensor: Mapping[str, Any]) -> Entry:
        dtype = torch.float32 if tensor["compression"] is not None else CODES[tensor["dtype"]]
        return Entry(tuple(tensor["shape"]), dtype, str(self._file))

    def _decoder(self, name: str) -> tuple[Compression, Parts]:
        """How a tensor is read, and its parts, which the file must have."""
        entry = self.entries[name]
        try:
            spec = dict(self._tensors[name]["compression"])
            compression = _class(spec.pop("type"), str(self._file))(**spec)
            parts = compression.parts(entry.shape, self._models)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            said = f"{type(error).__name__}: {error}"
            raise InputError(
                f"{self._file}: tensor {name!r} is described wrongly: {said}"
            ) from error
        for key, part in parts.items():
            wanted = Entry(part.stored(entry.size, self._models), part.dtype, "")
            found = self._stored.entries.get(entry_name(name, key))
            if found is None or (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
                raise InputError(
                    f"{self._stored.label}: part {key!r} of tensor {name!r} is "
                    f"{'missing' if found is None else f'{found.dtype} {list(found.shape)}'}, "
                    f"not {wanted.dtype} {list(wanted.shape)}"
                )
        return compression, parts

    def _part(self, name: str, key: str, part: Part, start: int, stop: int) -> Tensor:
        """The row of this model: whole, or what belongs to a piece."""
        begin = part.offset(self._row if part.per_model else 0, self.entries[name].size, start)
        shape = part.row(stop - start)
        end = begin + math.prod(shape)
        return self._stored.read(entry_name(name, key), begin, end).view(shape)


def _class(name: str, where: str) -> type[Compression]:
    """A compression of ours, or one of the reader's that is imported already: no code is run."""
    if not name.startswith("python:"):
        return COMPRESSIONS.get(name, where=where)
    module, _, attribute = name.removeprefix("python:").partition(":")
    found = getattr(sys.modules.get(module), attribute, None)
    if isinstance(found, type) and issubclass(found, Compression):
        return found
    raise InputError(f"{where}: needs {attribute} of {module}: import it before")
