"""Merging of models on disk."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.errors import InputError, RunError
from polytask.files import whole_folder, write_json
from polytask.merging.adapter_output import AdapterOutput
from polytask.merging.assets import check_assets, copy_assets
from polytask.merging.heads import HeadChoice, choose_heads, entries_of_heads, write_heads
from polytask.merging.inputs import Input, open_inputs
from polytask.merging.merger import Merger
from polytask.merging.method import Method
from polytask.merging.options import make_method
from polytask.merging.peft_config import peft_config
from polytask.merging.plan import Plan, parse_size
from polytask.merging.report import Report, make_report
from polytask.merging.rounding import Rounding, check_dtype, main_dtype
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.adapter_config import CONFIG
from polytask.merging.sources.base import Entry
from polytask.merging.sources.locate import Location
from polytask.merging.stream import Precision, RoundingCost, entries_of, stream
from polytask.merging.threads import Threads
from polytask.merging.tokenizers import TokenizerChoice, check_tokenizers
from polytask.merging.writer import Writer

__all__ = ["merge", "run_plan"]

logger = logging.getLogger(__name__)

RESERVE = 1 << 24
"""Bytes that must be free beside the weights, for configuration and tokenizer."""


def merge(
    method: str | Method,
    *,
    models: Sequence[str | Path],
    out: str | Path,
    base: str | Path | None = None,
    dtype: str | None = None,
    rounding: Rounding = "nearest",
    seed: int = 0,
    tokenizer: TokenizerChoice = "same",
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
        rounding: ``nearest`` or ``stochastic``.
        seed: of random numbers. The result depends on nothing else: not on threads, paths or, for
            symmetric methods, the order of the models.
        tokenizer: ``same`` refuses models with other tokens; ``base`` keeps those of the base, or
            of the first model, and matches rows of embeddings by token.
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
        models=tuple(map(Path, models)),
        base=None if base is None else Path(base),
        dtype=dtype,
        rounding=rounding,
        seed=seed,
        tokenizer=tokenizer,
        shard_size=shard_size,
        heads=heads,
        adapter_rank=adapter_rank,
    )
    return run_plan(plan, out=Path(out), threads=threads)


def run_plan(plan: Plan, *, out: Path, threads: int | None = None) -> Report:
    """Do what a plan says.

    Args:
        plan: what to merge, and how.
        out: the new folder.
        threads: how many; as many as processors by default.

    Raises:
        InputError: as `merge`.
        RunError: as `merge`.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; choose another folder")
    inputs = open_inputs(plan.base, plan.models, tokenizer=plan.tokenizer)
    base, models = (None, inputs) if plan.base is None else (inputs[0], inputs[1:])
    notes = _compare(plan, inputs)
    # Like all that follows: products that are split over threads may differ in their last bits.
    [merger] = Threads(1)(
        lambda method: Merger(
            method,
            base=None if base is None else base.source,
            models=[model.source for model in models],
            seed=plan.seed,
        ),
        [plan.method],
    )
    write = _write if plan.adapter_rank is None else _write_adapter
    report = write(plan, merger, inputs, out, Threads(threads), notes)
    for warning in report.warnings:
        logger.warning("%s: %s", out, warning)
    return report


def _compare(plan: Plan, inputs: Sequence[Input]) -> list[str]:
    """Notes on what differs beside the weights, after a look that it may."""
    reference, *others = [model.location for model in inputs]
    if plan.tokenizer == "same":
        check_tokenizers(reference, others)
    matched = dict.fromkeys(note for model in inputs for note in model.notes)
    whole = [location for location in others if location.layout != "adapter"]
    return [*matched, *check_assets(reference, whole)]


def _write(
    plan: Plan,
    merger: Merger,
    inputs: Sequence[Input],
    out: Path,
    threads: Threads,
    notes: Sequence[str],
) -> Report:
    precision = _precision(plan)
    heads = choose_heads(_adapters(inputs), plan.heads)
    entries = {**entries_of(merger, precision), **entries_of_heads(heads, precision)}
    _check_space(out, entries)
    merger.survey(threads)
    location = inputs[0].location
    with whole_folder(out, checksums=location.layout == "polytask") as folder:
        models = [model for model in inputs if not isinstance(model.source, Adapter)]
        hashes = list({id(c): c for model in models for c in model.contents}.values())
        writer = Writer(folder, entries, shard_size=_shard_size(plan, location))
        try:
            cost = stream(merger, writer, precision, threads, hashes)
            write_heads(heads, writer, precision)
        finally:
            writer.close()
        copy_assets(location, folder, main_dtype(entries))
        report = make_report(
            plan, merger, inputs, entries, cost=cost, notes=notes, out=out, heads=heads
        )
        write_json(folder / "merge.json", report.to_json())
    return report


def _write_adapter(
    plan: Plan,
    merger: Merger,
    inputs: Sequence[Input],
    out: Path,
    threads: Threads,
    notes: Sequence[str],
) -> Report:
    adapters, rank = _adapters(inputs), plan.adapter_rank
    if plan.base is None or rank is None or len(adapters) != len(plan.models):
        raise InputError("adapter_rank: an adapter can only be made of adapters, not of models")
    precision, heads = _precision(plan), choose_heads(adapters, plan.heads)
    output = AdapterOutput(merger, adapters, heads, rank=rank, precision=precision)
    _check_space(out, output.entries)
    merger.survey(threads)
    with whole_folder(out, checksums=False) as folder:
        writer = Writer(folder, output.entries, shard_size=sys.maxsize, stem="adapter_model")
        try:
            truncations = output.write(writer, threads)
        finally:
            writer.close()
        config = peft_config(adapters, list(output.targets.values()), rank=rank, base=plan.base)
        write_json(folder / CONFIG, config)
        report = make_report(
            plan,
            merger,
            inputs,
            output.entries,
            cost=RoundingCost(0.0, 0.0),
            notes=notes,
            out=out,
            heads=heads,
            truncations=truncations,
        )
        write_json(folder / "merge.json", report.to_json())
    return report


def _adapters(inputs: Sequence[Input]) -> list[Adapter]:
    return [model.source for model in inputs if isinstance(model.source, Adapter)]


def _precision(plan: Plan) -> Precision:
    dtype = None if plan.dtype is None else check_dtype(plan.dtype)
    return Precision(dtype, plan.rounding, plan.seed)


def _shard_size(plan: Plan, location: Location) -> int:
    """Most bytes of a file; a model folder of polytask has one."""
    return sys.maxsize if location.layout == "polytask" else parse_size(plan.shard_size)


def _check_space(out: Path, entries: Mapping[str, Entry]) -> None:
    """Refuse to begin what does not fit on the disk."""
    folder = out.absolute().parent
    while not folder.exists():
        folder = folder.parent
    needed = sum(entry.size * entry.dtype.itemsize for entry in entries.values()) + RESERVE
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(f"cannot write {out}: needs {needed:,} bytes, {free:,} are free")
