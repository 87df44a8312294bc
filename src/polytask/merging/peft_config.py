"""The configuration of an adapter that a merge writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.adapter_layout import Target

__all__ = ["peft_config"]


def peft_config(
    adapters: Sequence[Adapter], targets: Sequence[Target], *, rank: int, base: Path
) -> dict[str, Any]:
    """What peft must know to load an adapter, beside its tensors.

    Args:
        adapters: that were merged; what they all say is kept.
        targets: what has factors.
        rank: of the factors; their product is the change (alpha / rank is 1).
        base: the base model, if the adapters name different ones.
    """
    saved = dict.fromkeys(name for adapter in adapters for name in _modules_to_save(adapter))
    return {
        "peft_type": "LORA",
        "task_type": _shared(adapters, "task_type", None),
        "auto_mapping": _shared(adapters, "auto_mapping", None),
        "base_model_name_or_path": _shared(adapters, "base_model_name_or_path", str(base)),
        "r": rank,
        "lora_alpha": rank,
        "target_modules": sorted(target.module for target in targets),
        "modules_to_save": list(saved) or None,
        "bias": _shared(adapters, "bias", "all"),
        "fan_in_fan_out": any(t.transposed and not t.factors.embedding for t in targets),
        "lora_dropout": 0.0,
        "inference_mode": True,
    }


def _modules_to_save(adapter: Adapter) -> Sequence[str]:
    found = adapter.config.values.get("modules_to_save")
    return [str(name) for name in found] if isinstance(found, list) else []


def _shared(adapters: Sequence[Adapter], key: str, otherwise: object) -> object:
    """What all adapters say, if they say the same."""
    first, *others = [adapter.config.values.get(key) for adapter in adapters]
    return first if all(value == first for value in others) else otherwise
