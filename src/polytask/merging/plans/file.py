"""Plans in YAML, as mergekit writes them.

Read are ``merge_method``, ``base_model``, ``models``, ``slices`` or ``modules`` with slices,
``parameters`` with numbers, gradients along the layers and filters by name, ``dtype``,
``out_dtype``, ``tokenizer_source`` and ``tokenizer`` with ``source`` and ``tokens``, for the
methods that both have. What is left out has mergekit's default. Differences: models are folders or
files, relative to that of the plan; everything is computed in float32, so ``dtype`` says no more
than what is stored; DARE divides by the density. Ours alone are ``trim: model`` among the
parameters of ``ties`` (as in the paper; mergekit trims each tensor alone), methods that need
``statistics``, a list of files, one for each model, and the keys ``seed``, ``rounding``,
``shard_size``, ``heads`` and ``adapter_rank``. Models may be adapters of ``base_model``, for every
method.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.errors import InputError, unknown
from polytask.merging.layers.stack import Stack
from polytask.merging.options import make_method
from polytask.merging.plan import Plan
from polytask.merging.plans.inputs import parameters_of, path_of, read_listed, roles
from polytask.merging.plans.settings import DEFAULTS, method_options
from polytask.merging.plans.slices import read_slices, renamed, sliced_options, stacks
from polytask.merging.plans.tokens import read_tokens_of_plan
from polytask.yaml_values import parse_yaml

__all__ = ["read_plan"]

KEYS = {
    "merge_method",
    "base_model",
    "models",
    "slices",
    "modules",
    "parameters",
    "dtype",
    "out_dtype",
    "tokenizer_source",
    "tokenizer",
    "seed",
    "rounding",
    "shard_size",
    "heads",
    "adapter_rank",
    "statistics",
}

NOT_YET = {
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
    if (name := values.get("merge_method")) is None:
        raise InputError(f"{where}: merge_method is missing: the method that merges")
    if not isinstance(name, str) or name not in DEFAULTS:
        raise unknown("merge_method", name, DEFAULTS, where=where)
    base, models, options = _inputs(values, name, file)
    tokenizer, tokens = read_tokens_of_plan(values, file)
    settings = {
        "dtype": _dtype(values.get("out_dtype") or values.get("dtype")),
        "seed": values.get("seed", 0),
        "rounding": values.get("rounding", "nearest"),
        "shard_size": values.get("shard_size", "5GB"),
        "tokenizer": tokenizer,
        "tokens": tokens,
        "heads": values.get("heads", "same"),
        "adapter_rank": values.get("adapter_rank"),
        "statistics": _statistics(values.get("statistics", []), file),
    }
    return Plan(method=make_method(name, options), base=base, models=models, **settings)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(file.read_text(encoding="utf-8"), where=str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: is no plan: expected merge_method and models")
    return values


def _inputs(
    values: Mapping[str, Any], name: str, file: Path
) -> tuple[Path | Stack | None, tuple[Path | Stack, ...], dict[str, Any]]:
    """The base, the models, and the options of the method."""
    where = str(file)
    given = [key for key in ("models", "slices", "modules") if key in values]
    if len(given) > 1:
        raise InputError(f"{where}: {' and '.join(given)}: give one of them")
    base = values.get("base_model")
    base = None if base is None else path_of(base, f"{where}: base_model")
    shared = parameters_of(values.get("parameters"), where)
    if given and given[0] != "models":
        slices = read_slices(values, name, base, file)
        return *stacks(slices, file), sliced_options(name, slices, shared)
    listed = read_listed(values.get("models"), f"{where}: models")
    found = roles(name, base, listed, file, f"{where}: models")
    own = [renamed(name, model.parameters) for model in found.models]
    return (
        None if found.base is None else file.parent / found.base.path,
        tuple(file.parent / model.path for model in found.models),
        method_options(name, own, renamed(name, shared), where),
    )


def _statistics(value: Any, file: Path) -> tuple[Path, ...]:
    """The files of statistics, relative to that of the plan."""
    if not isinstance(value, list):
        raise InputError(f"{file}: statistics: expected a list of files, got {value!r}")
    return tuple(file.parent / path_of(path, f"{file}: statistics") for path in value)


def _dtype(value: Any) -> str | None:
    return None if value is None else str(value).removeprefix("torch.")
