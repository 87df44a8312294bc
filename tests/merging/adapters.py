"""Adapters on disk, and the change that they make, written down in float64."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tests.merging.definitions import Array
from torch import Tensor

__all__ = ["Factors", "change_of", "factors", "save_adapter"]

Factors = dict[str, tuple[Tensor, Tensor]]


def factors(seed: int, *, rank: int = 2, **modules: tuple[int, int]) -> Factors:
    """Random A (rank x input) and B (output x rank) for modules: name -> (output, input)."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return 0.1 * torch.randn(shape, generator=generator)

    return {
        module.replace("_", "."): (random(rank, inner), random(outer, rank))
        for module, (outer, inner) in modules.items()
    }


def save_adapter(
    folder: Path,
    of_modules: Factors,
    *,
    embeddings: Factors | None = None,
    whole: Mapping[str, Tensor] | None = None,
    **config: Any,
) -> Path:
    """Write an adapter as peft does.

    Args:
        folder: that is made.
        of_modules: module -> A and B.
        embeddings: likewise, for embeddings.
        whole: more tensors, by their names after ``base_model.model.``.
        config: of the adapter.
    """
    tensors = dict(whole or {})
    for module, (down, up) in of_modules.items():
        tensors |= {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
    for module, (down, up) in (embeddings or {}).items():
        tensors |= {f"{module}.lora_embedding_A": down, f"{module}.lora_embedding_B": up}
    folder.mkdir(parents=True)
    named = {f"base_model.model.{name}": value.contiguous() for name, value in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    values = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["x"], **config}
    (folder / "adapter_config.json").write_text(json.dumps(values))
    return folder


def change_of(pair: tuple[Tensor, Tensor], scale: float = 2.0) -> Array:
    """The change that A and B make."""
    down, up = (factor.double().numpy() for factor in pair)
    product: Array = up @ down
    return scale * product
