"""Checkpoints for benchmarks: a Llama-shaped base in bfloat16, and models trained from it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["make_checkpoints", "shapes"]

HIDDEN, INTERMEDIATE = 1024, 2816
SPREAD, CHANGE = 0.02, 0.0005
"""Standard deviations of the base's weights, and of what training changed."""


def shapes(millions: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model of about that many million parameters."""
    vocabulary = 32000 if millions > 100 else 4000
    tensors: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, HIDDEN)}
    layer = _layer("")
    ends = 2 * vocabulary * HIDDEN
    count = max(1, round((millions * 10**6 - ends) / sum(map(math.prod, layer.values()))))
    for index in range(count):
        tensors |= _layer(f"model.layers.{index}.")
    return {**tensors, "model.norm.weight": (HIDDEN,), "lm_head.weight": (vocabulary, HIDDEN)}


def make_checkpoints(folder: Path, millions: int, models: int) -> tuple[Path, list[Path]]:
    """Write a base and models as folders of the transformers library.

    Args:
        folder: that they are written into.
        millions: of parameters.
        models: how many.
    """
    base = _random(0, shapes(millions), None)
    trained = [
        _save(folder / f"model-{seed}", _random(seed, shapes(millions), base))
        for seed in range(1, models + 1)
    ]
    return _save(folder / "base", base), trained


def _layer(prefix: str) -> dict[str, tuple[int, ...]]:
    square = {f"{prefix}self_attn.{name}_proj.weight": (HIDDEN, HIDDEN) for name in "qkvo"}
    return {
        **square,
        f"{prefix}mlp.gate_proj.weight": (INTERMEDIATE, HIDDEN),
        f"{prefix}mlp.up_proj.weight": (INTERMEDIATE, HIDDEN),
        f"{prefix}mlp.down_proj.weight": (HIDDEN, INTERMEDIATE),
        f"{prefix}input_layernorm.weight": (HIDDEN,),
        f"{prefix}post_attention_layernorm.weight": (HIDDEN,),
    }


def _random(
    seed: int, tensors: dict[str, tuple[int, ...]], base: dict[str, Tensor] | None
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    model = {}
    for name, shape in tensors.items():
        noise = torch.randn(shape, generator=generator)
        values = noise.mul_(SPREAD) if base is None else noise.mul_(CHANGE).add_(base[name])
        model[name] = values.bfloat16()
    return model


def _save(folder: Path, model: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True)
    save_file(model, folder / "model.safetensors", metadata={"format": "pt"})
    layers = {name.split(".")[2] for name in model if ".layers." in name}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(model["lm_head.weight"]),
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": len(layers),
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "hidden_act": "silu",
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
