"""What `adapter_config.json` says about a LoRA adapter, as the peft library writes it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from polytask.errors import InputError
from polytask.merging.sources.locate import read_json

__all__ = ["CONFIG", "AdapterConfig", "read_adapter_config"]

CONFIG = "adapter_config.json"

MATTERS = (
    "r",
    "lora_alpha",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "use_dora",
    "fan_in_fan_out",
)
"""Keys that a change of weights depends on."""

HARMLESS = {
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_bias",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
}
"""Keys that say how an adapter is made, trained or run, or what its file shows anyway."""

STARTS = ("true", "false", "none", "gaussian", "eva", "orthogonal")
"""Ways to start training that leave the base as it is; others move a part of it to the adapter."""

T = TypeVar("T", int, float)


@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """A configuration of peft, checked.

    Args:
        file: where it is.
        values: all that it says.
        rank: of the factors.
        alpha: scale x rank, or scale x sqrt(rank) if rank-stabilised.
        ranks: pattern of module names -> rank, where it is another one.
        alphas: likewise for alpha.
        rank_stabilised: divide alpha by the square root of the rank (rsLoRA).
        dora: magnitude and direction of the weights are apart (DoRA).
        fan_in_fan_out: weights are stored as input x output, where their shape does not tell.
    """

    file: Path
    values: Mapping[str, Any]
    rank: int
    alpha: float
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    rank_stabilised: bool
    dora: bool
    fan_in_fan_out: bool

    def rank_of(self, module: str) -> int:
        """The rank of the factors of a module."""
        return self._matching(self.ranks, module, self.rank)

    def scale(self, module: str) -> float:
        """The factor of B A for a module."""
        rank = self.rank_of(module)
        alpha = self._matching(self.alphas, module, self.alpha)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)

    def digest(self) -> str:
        """A hash of what a change of weights depends on."""
        text = json.dumps([self.values.get(key) for key in MATTERS], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _matching(self, patterns: Mapping[str, T], module: str, default: T) -> T:
        """What holds for a module: the first pattern counts that its name, or the end of it, fits.

        Raises:
            InputError: a pattern is no regular expression.
        """
        for pattern, value in patterns.items():
            try:
                if re.match(rf"(.*\.)?({pattern})$", module):
                    return value
            except re.error as error:
                raise InputError(f"{self.file}: pattern {pattern!r}: {error}") from error
        return default


def read_adapter_config(folder: Path) -> AdapterConfig:
    """The configuration of the adapter in a folder.

    Raises:
        InputError: it is no LoRA adapter, has a key that may change what is computed and is not
            known here, changes the base when it is loaded, or a value is wrong.
    """
    file = folder / CONFIG
    values = read_json(file)
    if not isinstance(values, dict):
        raise InputError(f"{file}: is no mapping")
    if values.get("peft_type") != "LORA":
        raise InputError(
            f"{file}: peft_type {values.get('peft_type')!r} cannot be merged; LORA can"
        )
    for key, value in values.items():
        if value and key not in HARMLESS and key not in MATTERS:
            raise InputError(f"{file}: {key}: {value!r}: such an adapter cannot be merged")
    _check_start(file, values.get("init_lora_weights", True))
    return AdapterConfig(
        file=file,
        values=values,
        rank=_rank(file, "r", values.get("r")),
        alpha=_number(file, "lora_alpha", values.get("lora_alpha")),
        ranks={k: _rank(file, k, v) for k, v in _patterns(file, values, "rank_pattern").items()},
        alphas={
            k: _number(file, k, v) for k, v in _patterns(file, values, "alpha_pattern").items()
        },
        rank_stabilised=_switch(file, values, "use_rslora"),
        dora=_switch(file, values, "use_dora"),
        fan_in_fan_out=_switch(file, values, "fan_in_fan_out"),
    )


def _check_start(file: Path, start: object) -> None:
    """Refuse adapters whose base is not the one on disk but what is left of it."""
    if str(start).lower() not in STARTS:
        raise InputError(
            f"{file}: init_lora_weights {start!r} takes a part of the base away when the adapter "
            "is loaded; save it with path_initial_model_for_weight_conversion, as plain LoRA"
        )


def _rank(file: Path, key: str, value: object) -> int:
    if type(value) is not int or value < 1:
        raise InputError(f"{file}: {key}: expected a rank of at least 1, got {value!r}")
    return value


def _number(file: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{file}: {key}: expected a number, got {value!r}")
    return float(value)


def _patterns(file: Path, values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    patterns = values.get(key) or {}
    if not isinstance(patterns, dict):
        raise InputError(f"{file}: {key}: expected patterns of module names, got {patterns!r}")
    return patterns


def _switch(file: Path, values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"{file}: {key}: expected true or false, got {value!r}")
    return value
