"""Weights in safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polytask.errors import InputError

__all__ = ["check_weights", "load_weights", "read_tensors", "write_tensors"]

SHOWN = 5
"""Names of wrong weights that a message shows."""


def write_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors; those that share memory (tied weights) are written one by one.

    Raises:
        OSError: the file cannot be written.
    """
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        value = tensor.detach().contiguous()
        memory = value.untyped_storage().data_ptr()
        separate[name] = value.clone() if memory in seen else value
        seen.add(memory)
    try:
        save_file(separate, file)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        InputError: it is absent or no safetensors file.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file}: cannot be read as safetensors: {error}") from error


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Put weights into a model that has exactly these.

    Raises:
        InputError: a weight is absent, left over, or of another shape; names the first ones.
    """
    check_weights(model, tensors, where=where)
    model.load_state_dict(dict(tensors))


def check_weights(model: nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Refuse weights that are not exactly those of a model.

    Raises:
        InputError: a weight is absent, left over, or of another shape; names the first ones.
    """
    own = model.state_dict()
    wrong = [f"{name} is absent" for name in own if name not in tensors]
    wrong += [f"{name} is not in the model" for name in tensors if name not in own]
    wrong += [
        f"{name} is {_shape(tensors[name])}, in the model {_shape(value)}"
        for name, value in own.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if wrong:
        shown = "; ".join(wrong[:SHOWN]) + (f"; {len(wrong)} in all" if len(wrong) > SHOWN else "")
        raise InputError(f"{where}: weights do not fit the model: {shown}")


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor with a NaN or an infinite value, if there is one."""
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    if not floats:
        return None
    finite = torch.stack([value.isfinite().all() for value in floats.values()]).tolist()
    return next((name for name, fine in zip(floats, finite, strict=True) if not fine), None)


def _shape(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "scalar"
