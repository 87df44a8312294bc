"""From a merge whose tensors are all written to its report."""

from __future__ import annotations

import math
import platform
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

import polytask
from polytask.merging.engine.content import ContentHash
from polytask.merging.engine.merger import Merger
from polytask.merging.engine.prepared import Prepared
from polytask.merging.engine.rounding import main_dtype
from polytask.merging.engine.treatment import Treatment
from polytask.merging.inputs import Input
from polytask.merging.output.output import Output, Written
from polytask.merging.plan import Plan
from polytask.merging.report import Report
from polytask.merging.statistics.opened import OpenStatistics

__all__ = ["make_report", "repeated"]


def make_report(
    prepared: Prepared, output: Output, written: Written, *, out: Path, asked: Mapping[str, Any]
) -> Report:
    """The report of a merge.

    Args:
        prepared: the plan, its inputs, and what merged them.
        output: what was written.
        written: what writing showed.
        out: where the result is.
        asked: what was asked for beside the plan.
    """
    plan, merger = prepared.plan, prepared.merger
    names = {
        treatment: [i.group.name for i in merger.items if i.treatment == treatment]
        for treatment in get_args(Treatment)
    }
    differing = [name for name in names["copy"] if name in merger.differing]
    described = _inputs(plan, merger, prepared.inputs)
    return Report(
        out=out,
        plan={**plan.to_json(), **asked},
        inputs=[*described, *map(_measured, prepared.statistics)],
        versions={**_versions(), **({} if merger.compiled is None else merger.compiled.versions)},
        merged=len(names["merge"]),
        unchanged=len(names["unchanged"]),
        statistics=names["statistics"],
        copied=[name for name in names["copy"] if name not in differing],
        from_reference=differing,
        dtype=str(main_dtype(output.entries)).removeprefix("torch."),
        rounding_cost=None if plan.base is None else _cost(written),
        notes=[*prepared.notes, *repeated((tuple(d["content"]), d["path"]) for d in described)],
        heads={name: head.source.label for name, head in output.heads.items()},
        adapter=_adapter(written) if written.truncations else None,
    )


def _inputs(plan: Plan, merger: Merger, inputs: Sequence[Input]) -> list[dict[str, Any]]:
    models = inputs if plan.base is None else inputs[1:]
    found = [
        {"role": "model", "occurrence": identity.occurrence, **_input(model)}
        for model, identity in zip(models, merger.identities, strict=True)
    ]
    return found if plan.base is None else [{"role": "base", **_input(inputs[0])}, *found]


def _input(model: Input) -> dict[str, Any]:
    content = [content.hexdigest() for content in model.contents]
    return {"path": model.source.label, "content": content + [model.digest] * bool(model.digest)}


def _measured(statistics: OpenStatistics) -> dict[str, Any]:
    content = [ContentHash(statistics.source).hexdigest()]
    return {"role": "statistics", "path": statistics.label, "content": content}


def _adapter(written: Written) -> dict[str, Any]:
    """What an adapter of low rank lost."""
    truncations, left_out = written.truncations, written.left_out
    lost, change = sum(t.lost for t in truncations), sum(t.change for t in truncations)
    whole = change + sum(left_out.values())
    return {
        "rank": max(t.rank for t in truncations),
        "lost": round(_share(lost, change), 6),
        "lost_per_tensor": {t.name: round(_share(t.lost, t.change), 6) for t in truncations},
        "rank_per_tensor": {t.name: t.rank for t in truncations},
        "left_out": {name: round(_share(norm, whole), 6) for name, norm in left_out.items()},
    }


def _cost(written: Written) -> float | None:
    return None if written.cost is None else round(written.cost.share, 6)


def _share(part: float, whole: float) -> float:
    """A norm as a share of another, of their squares."""
    return math.sqrt(part / whole) if whole else 0.0


def _versions() -> dict[str, str]:
    return {
        "polytask": polytask.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def repeated(inputs: Iterable[tuple[Hashable, str]]) -> list[str]:
    """A sentence for all inputs of one content.

    Args:
        inputs: of each what it holds, and its path.
    """
    paths: dict[Hashable, list[str]] = {}
    for content, path in inputs:
        paths.setdefault(content, []).append(path)
    return [f"the same weights: {', '.join(same)}" for same in paths.values() if len(same) > 1]
