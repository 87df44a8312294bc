"""A compressed model in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from polytask.merging.compression.source import CompressedModel
from polytask.merging.engine.alignment import align
from polytask.merging.given import as_path
from polytask.merging.sources.state_dict import StateDict

__all__ = ["restore_state_dict"]


def restore_state_dict(
    folder: str | Path, name: str, *, base: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """One of the models that `compress` stored, as it is when `merge` writes it.

    Args:
        folder: that holds the compressed task vectors.
        name: of the model.
        base: the model that they are changes of.

    Returns:
        Name -> tensor, in the dtype of the base; tensors that the models have in common are those
        of the base themselves.

    Raises:
        InputError: there is no such model, a file is broken, or the base does not fit.
    """
    source = CompressedModel(as_path("folder", folder), name)
    align(StateDict("base", base), [source])
    return {
        key: _moved(source, key, value) if source.touches(key) else value
        for key, value in base.items()
    }


def _moved(source: CompressedModel, name: str, value: Tensor) -> Tensor:
    change = source.read(name, 0, value.numel()).view(value.shape).to(value.device)
    wide = torch.promote_types(value.dtype, torch.float32)
    return (value.to(wide) + change).to(value.dtype)
