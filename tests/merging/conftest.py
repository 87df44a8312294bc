"""Small models in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.cli.conftest import polytask
from torch import Tensor

__all__ = ["SHAPES", "Model", "Save", "polytask", "random_model", "save", "trained"]

SHAPES = {
    "embed.weight": (40, 8),
    "layers.0.weight": (24, 8),
    "layers.0.bias": (24,),
    "layers.1.weight": (24, 8),
    "layers.1.bias": (24,),
    "scale": (),
}

Model = dict[str, Tensor]
Save = Callable[..., Path]


def random_model(
    seed: int, *, dtype: torch.dtype = torch.float32, start: Model | None = None
) -> Model:
    """A model; with a start, one that was trained from it."""
    generator = torch.Generator().manual_seed(seed)
    model = {}
    for name, shape in SHAPES.items():
        value = 0.02 * torch.randn(shape, generator=generator)
        model[name] = (value if start is None else start[name].float() + 0.1 * value).to(dtype)
    return model


def trained(count: int, *, dtype: torch.dtype = torch.float32) -> tuple[Model, list[Model]]:
    """A base and models that were trained from it."""
    base = random_model(0, dtype=dtype)
    return base, [random_model(seed, dtype=dtype, start=base) for seed in range(1, count + 1)]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a model as a folder of the transformers library."""

    def write(name: str, model: Mapping[str, Tensor], **config: object) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        save_file(dict(model), folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps({"model_type": "tiny", **config}))
        return folder

    return write
