"""The configuration of an adapter that a merge writes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.adapter_layout import AdapterLayout

__all__ = ["config_of_ranks", "peft_config"]


def config_of_ranks(ranks: Mapping[str, int], *, base: str, fan_in_fan_out: bool) -> dict[str, Any]:
    """What peft must know of factors whose product is the change (alpha / rank is 1).

    Args:
        ranks: module -> rank of its factors.
        base: the base model.
        fan_in_fan_out: whether weights are input x output.
    """
    rank = max(ranks.values())
    others = {f"^{re.escape(module)}": own for module, own in ranks.items() if own != rank}
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": sorted(ranks),
        "fan_in_fan_out": fan_in_fan_out,
        "lora_dropout": 0.0,
        "inference_mode": True,
    }


def peft_config(
    adapters: Sequence[Adapter],
    layout: AdapterLayout,
    *,
    heads: Collection[str],
    rank: int,
    base: Path,
) -> dict[str, Any]:
    """What peft must know to load a merged adapter, beside its tensors.

    Args:
        adapters: that were merged; what they all say is kept.
        layout: of the adapter: which modules have factors.
        heads: names of the tensors that it holds beside those of the base.
        rank: of the factors.
        base: the base model, if the adapters name different ones.
    """
    targets = layout.targets.values()
    named = dict.fromkeys(name for adapter in adapters for name in _modules_to_save(adapter))
    saved = [name for name in named if any(f".{name}." in f".{t}" for t in (*layout.whole, *heads))]
    ranks = {target.module: rank for target in targets}
    by_input = any(target.transposed and not target.factors.embedding for target in targets)
    name = _shared(adapters, "base_model_name_or_path", str(base))
    return {
        **config_of_ranks(ranks, base=str(name), fan_in_fan_out=by_input),
        "task_type": _shared(adapters, "task_type", None),
        "auto_mapping": _shared(adapters, "auto_mapping", None),
        "modules_to_save": saved or None,
        "bias": _shared(adapters, "bias", "all"),
    }


def _modules_to_save(adapter: Adapter) -> Sequence[str]:
    found = adapter.config.values.get("modules_to_save")
    return [str(name) for name in found] if isinstance(found, list) else []


def _shared(adapters: Sequence[Adapter], key: str, otherwise: object) -> object:
    """What all adapters say, if they say the same."""
    first, *others = [adapter.config.values.get(key) for adapter in adapters]
    return first if all(value == first for value in others) else otherwise
