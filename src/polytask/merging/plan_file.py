"""Plans in YAML, as mergekit writes them.

Read are ``merge_method``, ``base_model``, ``models`` and ``parameters`` with numbers, gradients
along the layers and filters by name, ``dtype``, ``out_dtype`` and ``tokenizer_source: base``, for
the methods that both have. What is left out has mergekit's default. Differences: models are folders
or files, relative to that of the plan; everything is computed in float32, so ``dtype`` says no more
than what is stored; DARE divides by the density. Ours alone are ``trim: model`` among the
parameters of ``ties`` (as in the paper; mergekit trims each tensor alone), and the keys ``seed``,
``rounding``, ``shard_size``, ``heads`` and ``adapter_rank``. Models may be adapters of
``base_model``, for every method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from polytask.errors import InputError, unknown
from polytask.merging.methods import METHODS
from polytask.merging.options import make_method
from polytask.merging.plan import Plan
from polytask.merging.plan_settings import DEFAULTS, method_options
from polytask.merging.sources.locate import is_adapter

__all__ = ["read_plan"]

KEYS = {
    "merge_method",
    "base_model",
    "models",
    "parameters",
    "dtype",
    "out_dtype",
    "tokenizer_source",
    "seed",
    "rounding",
    "shard_size",
    "heads",
    "adapter_rank",
}

NOT_YET = {
    "slices": "slices of layers",
    "modules": "modules",
    "tokenizer": "a tokenizer made of several (tokenizer_source: base is known)",
    "chat_template": "a chat template (that of the base or the first model is copied)",
}
"""Keys of mergekit that cannot be read yet, and what they stand for."""


def read_plan(file: Path) -> Plan:
    """The plan in a YAML file.

    Raises:
        InputError: it cannot be read, has an unknown key or method (with the nearest one), or asks
            for something that is not supported.
    """
    values = _read(file)
    where = str(file)
    for key in values:
        if key in NOT_YET:
            raise InputError(f"{where}: {key}: {NOT_YET[key]} cannot be merged yet")
        if key not in KEYS:
            raise unknown("key", key, KEYS, where=where)
    name = values.get("merge_method")
    if not isinstance(name, str) or name not in DEFAULTS:
        raise unknown("merge_method", name, DEFAULTS, where=where)
    base, models = _inputs(values, name, file)
    settings = {
        "dtype": _dtype(values.get("out_dtype") or values.get("dtype")),
        "seed": values.get("seed", 0),
        "rounding": values.get("rounding", "nearest"),
        "shard_size": values.get("shard_size", "5GB"),
        "tokenizer": _tokenizer(values.get("tokenizer_source"), where),
        "heads": values.get("heads", "same"),
        "adapter_rank": values.get("adapter_rank"),
    }
    own = [parameters for _, parameters in models]
    shared = _parameters(values.get("parameters"), where)
    return Plan(
        method=make_method(name, method_options(name, own, shared, where)),
        base=None if base is None else file.parent / base,
        models=tuple(file.parent / path for path, _ in models),
        **settings,
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: is no plan: expected merge_method and models")
    return values


Models = Sequence[tuple[str, Mapping[str, Any]]]


def _inputs(values: Mapping[str, Any], name: str, file: Path) -> tuple[str | None, Models]:
    """The base, and each model with its own parameters, as the method takes them."""
    where = str(file)
    found = values.get("models")
    if not isinstance(found, list) or not found:
        raise InputError(f"{where}: models: expected a list of models")
    models = [_model(item, f"{where}: models[{index}]") for index, item in enumerate(found)]
    base = values.get("base_model")
    base = None if base is None else _path(base, f"{where}: base_model")
    others = [model for model in models if model[0] != base]
    adapters = any(is_adapter(file.parent / path) for path, _ in models)
    if name == "slerp":
        if base is None:
            raise InputError(f"{where}: slerp goes from base_model to the other model")
        ends = others if adapters and len(others) > 1 else [(base, {}), *others]
        return base if adapters else None, ends
    if not others:
        raise InputError(f"{where}: models: there is none beside base_model")
    if METHODS.get(name).contract.needs_base:
        return base, others
    if base is not None and len(others) == len(models) and not adapters:
        raise InputError(f"{where}: {name} takes no base: list {base} among the models")
    return base if adapters else None, models


def _model(item: Any, where: str) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(item, dict) or set(item) - {"model", "parameters"} or "model" not in item:
        raise InputError(f"{where}: expected model and parameters, got {item!r}")
    return _path(item["model"], where), _parameters(item.get("parameters"), where)


def _path(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: expected the path of a model, got {value!r}")
    return value


def _parameters(value: Any, where: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InputError(f"{where}: parameters: expected a mapping, got {value!r}")
    return value or {}


def _dtype(value: Any) -> str | None:
    return None if value is None else str(value).removeprefix("torch.")


def _tokenizer(value: Any, where: str) -> str:
    if value not in (None, "base"):
        raise InputError(f"{where}: tokenizer_source: {value!r} cannot be merged yet; base can")
    return "same" if value is None else "base"
