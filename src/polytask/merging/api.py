"""Merging of models on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.merging.adapters.heads import HeadChoice
from polytask.merging.engine.rounding import Rounding
from polytask.merging.given import as_path, as_paths
from polytask.merging.method import Method
from polytask.merging.options import make_method
from polytask.merging.plan import Plan
from polytask.merging.report import Report
from polytask.merging.run import run_plan
from polytask.merging.tokens.rows import TokenRow
from polytask.merging.tokens.tokenizers import TokenizerChoice, as_choice

__all__ = ["merge"]


def merge(
    method: str | Method,
    *,
    models: Sequence[str | Path],
    out: str | Path,
    base: str | Path | None = None,
    dtype: str | None = None,
    statistics: Sequence[str | Path] = (),
    rounding: Rounding = "nearest",
    seed: int = 0,
    tokenizer: TokenizerChoice | str | Path = "same",
    tokens: Mapping[str, TokenRow] | None = None,
    shard_size: int | str = "5GB",
    heads: HeadChoice = "same",
    adapter_rank: int | None = None,
    threads: int | None = None,
    **options: Any,
) -> Report:
    """Merge models on disk into a new folder.

    Nothing of a model but a few pieces of a tensor is in memory at a time. The folder appears when
    all of it is written.

    Args:
        method: its name, or a method with its options.
        models: folders (of the transformers library, or model folders of polytask), .safetensors
            files, or LoRA adapters (folders of the peft library). An adapter counts as the exact
            change that it makes to the base, or as the base with this change.
        out: the new folder: weights, configuration and tokenizer of the base or the first model,
            and ``merge.json`` with the plan, hashes of the inputs and the report.
        base: the base model, for methods that merge changes, and for adapters.
        dtype: of the result: float64, float32, float16 or bfloat16; by default what the inputs have
            together. Everything is computed in float32 or wider and rounded once.
        statistics: of each model the file of what was measured of it on data, for methods that need
            that; see `Statistics`.
        rounding: ``nearest`` or ``stochastic``.
        seed: of random numbers. The result depends on nothing else: not on threads, paths or, for
            symmetric methods, the order of the models.
        tokenizer: ``same`` refuses models with other tokens; ``base`` keeps those of the base, or
            of the first model, ``union`` has those of all, and a folder with a ``tokenizer.json``
            has its own. Rows of embeddings are matched by token. With ``union`` and a folder, a
            token that a model lacks has the row of the base, or else the mean of those that have
            it, or else 0.
        tokens: token -> the row that it has instead, where a model lacks it or in any case; tokens
            that the tokenizer lacks are added to it.
        shard_size: most bytes of a file of weights, such as 2_000_000_000 or "2GB".
        heads: of tensors that adapters bring and the base does not have: ``same`` refuses different
            ones, ``first`` keeps that of the first adapter, ``skip`` leaves them out.
        adapter_rank: write an adapter of this rank instead of a model, in float32 if there is no
            dtype; all models must be adapters. The report says what the rank costs.
        threads: how many; as many as processors by default.
        options: of the method.

    Raises:
        InputError: the inputs do not fit the method or each other, a file is broken, an option is
            wrong, ``out`` exists, or a value is NaN or infinite; nothing was written.
        RunError: the result cannot be written; nothing was.
    """
    plan = Plan(
        method=make_method(method, options),
        models=as_paths("models", models),
        base=None if base is None else as_path("base", base),
        dtype=dtype,
        statistics=as_paths("statistics", statistics),
        rounding=rounding,
        seed=seed,
        tokenizer=as_choice(tokenizer, Path()),
        tokens=tokens or {},
        shard_size=shard_size,
        heads=heads,
        adapter_rank=adapter_rank,
    )
    return run_plan(plan, out=as_path("out", out), threads=threads)
