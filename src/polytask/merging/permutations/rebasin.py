"""Alignment of models on disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from polytask.merging.engine.alignment import align
from polytask.merging.engine.merger import Merger
from polytask.merging.engine.prepared import Prepared, prepare
from polytask.merging.engine.stream import Precision
from polytask.merging.engine.threads import Threads
from polytask.merging.given import as_path
from polytask.merging.inputs import Input, open_inputs
from polytask.merging.methods.passthrough import Passthrough
from polytask.merging.output.assets import check_assets, read_config
from polytask.merging.output.model import ModelOutput
from polytask.merging.output.output import Written, write_folder
from polytask.merging.output.reporting import make_report
from polytask.merging.permutations.align import Matched, match_sources
from polytask.merging.permutations.names import spec_from_names
from polytask.merging.permutations.permuted_source import PermutedSource
from polytask.merging.permutations.spec import GivenSpec, PermutationSpec, as_spec
from polytask.merging.plan import Plan
from polytask.merging.report import Report
from polytask.merging.tokens.tokenizers import check_tokenizers

__all__ = ["rebasin"]

SHOWN = 5
"""Modules that a message shows."""

logger = logging.getLogger(__name__)


def rebasin(
    *,
    reference: str | Path,
    model: str | Path,
    out: str | Path,
    spec: GivenSpec | None = None,
    seed: int = 0,
    shard_size: int | str = "5GB",
    threads: int | None = None,
) -> Report:
    """Write a model with its hidden units in the order in which it is nearest to another one.

    It computes what it did, but for the order of its sums, and can be merged with the reference.
    See `align_state_dict` for the method. In memory are, for each thread, the tensors of
    permutations that meet (of a transformer those of one layer), and the products of all pairs of
    their units.

    Args:
        reference: a folder or file, as `merge` takes it; its order is kept.
        model: a folder or file with the same tensors.
        out: the new folder, with configuration and tokenizer of the model, and ``merge.json``:
            under ``rebasin`` the distances before and after, and for each permutation how many
            units it has and how many moved.
        spec: where the units are, or the axes of a spec; by default what `spec_from_names` finds.
        seed: of the order in which permutations are tried.
        shard_size: most bytes of a file of weights, such as 2_000_000_000 or "2GB".
        threads: how many; as many as processors by default.

    Raises:
        InputError: the models do not fit each other, their layers are not known and there is no
            spec, the spec is none or does not fit them, ``out`` exists, or a value is NaN or
            infinite; nothing was written.
        RunError: the result cannot be written; nothing was.
    """
    reference, model = as_path("reference", reference), as_path("model", model)
    out, work = as_path("out", out), Threads(threads)
    plan = Plan(method=Passthrough(), models=(model,), seed=seed, shard_size=shard_size)
    prepared = prepare(plan, out)
    [start], [moving] = open_inputs(None, [reference], tokenizer="same"), prepared.inputs
    differing = _compare(start, moving)
    chosen = _by_names(moving) if spec is None else as_spec(spec)
    found = match_sources(start.source, moving.source, chosen, seed=seed, mapper=work)
    notes = [*prepared.notes, *differing, *_unknown(chosen)]
    moved = _moved(replace(prepared, notes=notes), chosen, found)
    report = _write(moved, out, work, asked={"rebasin": _described(start, chosen, found)})
    for warning in report.warnings:
        logger.warning("%s: %s", out, warning)
    return report


def _by_names(model: Input) -> PermutationSpec:
    shapes = {name: entry.shape for name, entry in model.source.entries.items()}
    return spec_from_names(shapes, read_config(model.location))


def _compare(reference: Input, model: Input) -> list[str]:
    """Notes on what differs beside the weights, after a look that the models fit."""
    align(reference.source, [model.source])
    notes = check_tokenizers(reference.location, [model.location])
    return [*notes, *check_assets(model.location, [reference.location], changed=())]


def _unknown(spec: PermutationSpec) -> list[str]:
    """A sentence on what keeps its order, if anything does that might have moved."""
    named = ", ".join(spec.unknown[:SHOWN]) + (", ..." if len(spec.unknown) > SHOWN else "")
    return [f"units keep their order that belong to {named}"] if named else []


def _moved(prepared: Prepared, spec: PermutationSpec, found: Matched) -> Prepared:
    """The same, of the model in its new order."""
    [model] = prepared.inputs
    source = PermutedSource(model.source, spec, found.permutations)
    merger = Merger(prepared.plan.method, base=None, models=[source], seed=prepared.plan.seed)
    return replace(prepared, inputs=[replace(model, source=source)], merger=merger)


def _write(prepared: Prepared, out: Path, work: Threads, *, asked: Mapping[str, Any]) -> Report:
    plan = prepared.plan
    output = ModelOutput(
        prepared.merger,
        prepared.inputs,
        heads={},
        precision=Precision(None, "nearest", plan.seed),
        shard_size=plan.shard_size,
    )

    def report(written: Written) -> Report:
        # Statistics of BatchNorm are those of the model itself: nothing is to be measured again.
        whole = make_report(prepared, output, written, out=out, asked=asked)
        return replace(whole, statistics=())

    return write_folder(out, output, work, report)


def _described(reference: Input, spec: PermutationSpec, found: Matched) -> dict[str, Any]:
    """What the report says of the search."""
    orders = found.permutations.items()
    return {
        "reference": reference.source.label,
        "content": [content.hexdigest() for content in reference.contents],
        "distance_before": found.distance_before,
        "distance_after": found.distance_after,
        "units": {name: len(order) for name, order in orders},
        "moved": {name: int((order != torch.arange(len(order))).sum()) for name, order in orders},
        "unknown": list(spec.unknown),
    }
