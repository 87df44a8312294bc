"""From a plan to a folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.errors import InputError
from polytask.merging.adapters.heads import choose_heads, heads_of
from polytask.merging.adapters.output import AdapterOutput
from polytask.merging.adapters.peft_config import peft_config
from polytask.merging.adapters.union import union_of
from polytask.merging.engine.prepared import Prepared, prepare
from polytask.merging.engine.rounding import check_dtype
from polytask.merging.engine.stream import Precision
from polytask.merging.engine.threads import Threads
from polytask.merging.given import as_path
from polytask.merging.output.model import ModelOutput
from polytask.merging.output.output import Output, write_folder
from polytask.merging.output.reporting import make_report
from polytask.merging.plan import Plan
from polytask.merging.report import Report
from polytask.merging.sources.adapter import Adapter

__all__ = ["finish", "run_plan"]

logger = logging.getLogger(__name__)


def run_plan(plan: Plan, *, out: str | Path, threads: int | None = None) -> Report:
    """Do what a plan says.

    Args:
        plan: what to merge, and how.
        out: the new folder.
        threads: how many; as many as processors by default.

    Raises:
        InputError: as `merge`; or there is no plan.
        RunError: as `merge`.
    """
    if not isinstance(plan, Plan):
        raise InputError(f"plan: expected a Plan, got {type(plan).__name__}")
    out = as_path("out", out)
    prepared = prepare(plan, out, other_tasks=plan.adapter_rank is None)
    return finish(prepared, _output(prepared), out, Threads(threads))


def finish(
    prepared: Prepared,
    output: Output,
    out: Path,
    threads: Threads,
    asked: Mapping[str, Any] | None = None,
) -> Report:
    """Compute and write the result, and log what a reader of its report should know.

    Args:
        prepared: the inputs.
        output: what is written.
        out: the new folder.
        threads: that compute it.
        asked: what was asked for beside the plan.

    Raises:
        InputError: an input or the result is not finite.
        RunError: it cannot be written.
    """
    report = write_folder(
        out,
        output,
        threads,
        lambda written: make_report(prepared, output, written, out=out, asked=asked or {}),
    )
    for warning in report.warnings:
        logger.warning("%s: %s", out, warning)
    return report


def _output(prepared: Prepared) -> Output:
    """What is written: a model, or an adapter."""
    plan, inputs, merger = prepared.plan, prepared.inputs, prepared.merger
    adapters = [model.source for model in inputs if isinstance(model.source, Adapter)]
    brought = [pair for adapter in adapters for pair in heads_of(adapter)]
    heads = choose_heads([*brought, *prepared.heads], plan.heads)
    dtype = None if plan.dtype is None else check_dtype(plan.dtype)
    precision = Precision(dtype, plan.rounding, plan.seed)
    if plan.adapter_rank is None:
        return ModelOutput(
            merger, inputs, heads=heads, precision=precision, shard_size=plan.shard_size
        )
    if not isinstance(plan.base, Path) or len(adapters) != len(plan.models):
        raise InputError("adapter_rank: an adapter can only be made of adapters, not of models")
    layout = union_of(adapters)
    return AdapterOutput(
        merger,
        layout,
        ranks=dict.fromkeys(layout.targets, plan.adapter_rank),
        heads=heads,
        precision=precision,
        config=peft_config(
            adapters, layout, heads=[*heads], rank=plan.adapter_rank, base=plan.base
        ),
    )
