"""All that a merge is to do, as one value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from polytask.construct import plain
from polytask.errors import InputError
from polytask.merging.adapters.heads import HeadChoice, check_head_choice
from polytask.merging.adapters.output import check_adapter_rank
from polytask.merging.engine.rounding import Rounding, check_dtype, check_rounding
from polytask.merging.given import as_list, as_path, as_paths
from polytask.merging.layers.stack import Stack
from polytask.merging.method import Method
from polytask.merging.methods import METHODS
from polytask.merging.options import check_inputs
from polytask.merging.settings import check_count, described_setting
from polytask.merging.sources.locate import is_change
from polytask.merging.tokens.rows import TokenRow
from polytask.merging.tokens.tokenizers import TokenizerChoice, check_tokenizer_choice

__all__ = ["Change", "Plan", "parse_size"]

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
INPUTS = ("method", "models", "base", "statistics")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*((?:[KMGT]B)?)")


@dataclass(frozen=True)
class Change:
    """The change between two models, as an input.

    Args:
        model: path of the model that is reached.
        base: path of the model where it starts.

    Raises:
        InputError: these are no paths.
    """

    model: Path
    base: Path

    def __post_init__(self) -> None:
        for name in ("model", "base"):
            object.__setattr__(self, name, as_path(name, getattr(self, name)))

    def __str__(self) -> str:
        return f"{self.model} - {self.base}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to merge, how, and how to store it.

    Args:
        method: with its options.
        models: paths of the models, changes between two, or layers of several.
        base: the base model, if the method merges changes or a model is an adapter.
        statistics: of each model the file of what was measured of it, if the method needs that.
        dtype: of the result: float64, float32, float16 or bfloat16; None for what the inputs have
            together.
        rounding: to that dtype.
        seed: of random numbers.
        tokenizer: whether all models must have the same tokens; otherwise whose tokens the result
            has, or the folder of its tokenizer.
        tokens: token -> where its row of the embeddings comes from, where tokens may differ.
        shard_size: most bytes of a file of weights, such as 2_000_000_000 or "2GB".
        heads: which heads are kept that adapters bring and the base does not have.
        adapter_rank: write an adapter of this rank instead of a model; None for a model.

    Raises:
        InputError: an unknown dtype, rounding or choice of tokenizer or heads, a path, seed or rank
            that is none, the same path twice among the models, a size that is none, models or
            statistics that the method cannot merge, or statistics where layers or tokens are not
            those of the models.
    """

    method: Method
    models: tuple[Path | Change | Stack, ...]
    base: Path | Stack | None = None
    statistics: tuple[Path, ...] = ()
    dtype: str | None = None
    rounding: Rounding = "nearest"
    seed: int = 0
    tokenizer: TokenizerChoice | Path = "same"
    tokens: Mapping[str, TokenRow] = field(default_factory=dict)
    shard_size: int | str = "5GB"
    heads: HeadChoice = "same"
    adapter_rank: int | None = None

    def __post_init__(self) -> None:
        models = enumerate(as_list("models", self.models))
        made = tuple(_input(f"models[{index}]", model) for index, model in models)
        object.__setattr__(self, "models", made)
        if self.base is not None:
            object.__setattr__(self, "base", _input("base", self.base))
        _check_once(self.models)
        object.__setattr__(self, "statistics", as_paths("statistics", self.statistics))
        if self.dtype is not None:
            check_dtype(self.dtype)
        check_rounding(self.rounding)
        check_tokenizer_choice(self.tokenizer)
        check_count("seed", self.seed)
        if self.tokens and self.tokenizer == "same":
            raise InputError("tokens: need tokenizer 'base', 'union' or the folder of a tokenizer")
        parse_size(self.shard_size)
        check_head_choice(self.heads)
        if self.adapter_rank is not None:
            check_adapter_rank(self.adapter_rank, self.method)
        adapters = any(isinstance(model, Path) and is_change(model) for model in self.models)
        check_inputs(
            self.method,
            base=self.base is not None,
            models=len(self.models),
            adapters=adapters,
            statistics=len(self.statistics),
        )
        if self.statistics and self.tokenizer != "same":
            raise InputError("statistics: are those of other rows than tokenizer makes of a model")
        if self.statistics and any(isinstance(model, Stack) for model in self.models):
            raise InputError("statistics: are those of whole models, not of slices of layers")

    def to_json(self) -> dict[str, Any]:
        """Plain values, every default spelled out."""
        described = _described(self.method)
        storing = tuple(f.name for f in fields(self) if f.name not in INPUTS)
        values = {key: _plain(getattr(self, key)) for key in storing}
        return {"method": described.pop("type"), "options": described, **values}


def _input(name: str, given: Path | Change | Stack) -> Path | Change | Stack:
    """What is merged; a text is the path of a model."""
    return given if isinstance(given, Change | Stack) else as_path(name, given)


def _check_once(models: Iterable[Path | Change | Stack]) -> None:
    """Refuse the same path among the models twice: a slip, or a weight of twice as much."""
    seen: set[Path] = set()
    for model in models:
        if isinstance(model, Path):
            path = Path(os.path.realpath(model))
            if path in seen:
                raise InputError(
                    f"models: {model} is listed twice; give it a larger weight instead"
                )
            seen.add(path)


def _described(method: Method) -> dict[str, Any]:
    """Its name under ``type``, and all options; a method among them likewise."""
    options = {
        name: _described(value) if isinstance(value, Method) else described_setting(value)
        for name, value in vars(method).items()
    }
    return {"type": METHODS.spec(method)["type"], **options}


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: paths are texts."""
    found = plain(value)
    if isinstance(found, dict):
        return {key: _plain(item) for key, item in found.items()}
    return str(found) if isinstance(found, Path) else found


def parse_size(size: int | str) -> int:
    """A number of bytes, given as such or like ``5GB``.

    Raises:
        InputError: it is neither.

    Example:
        >>> parse_size("5GB")
        5000000000
    """
    match = SIZE.fullmatch(str(size).upper())
    found = int(float(match[1]) * UNITS[match[2]]) if match else 0
    if isinstance(size, bool) or found < 1:
        raise InputError(
            f"shard_size: {size!r} is no size: give a number of bytes, or one with KB, MB, GB or TB"
        )
    return found
