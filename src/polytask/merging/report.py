"""What a merge did: `merge.json`, and what the command line prints."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

import polytask
from polytask.merging.adapter_output import Truncation
from polytask.merging.heads import Head
from polytask.merging.inputs import Input
from polytask.merging.merger import Merger
from polytask.merging.plan import Plan
from polytask.merging.rounding import main_dtype
from polytask.merging.sources.base import Entry
from polytask.merging.stream import RoundingCost
from polytask.merging.treatment import Treatment

__all__ = ["Report", "make_report"]

WORTH_SAYING = 0.01
"""Share of the update's norm that rounding may cost unsaid."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a merge did.

    Args:
        out: the folder of the merged model.
        plan: method, options, dtype, seed, as they were resolved.
        inputs: the base, if there is one, and the models: path, content hash, occurrence.
        versions: of what computed it.
        merged: number of tensors with weights, merged by the method.
        unchanged: number of those that no input changes: the base's.
        statistics: tensors with BatchNorm statistics.
        copied: tensors without weights (integers) that all inputs have alike.
        from_reference: those that differ: taken from the base or the first model.
        dtype: what most of the result is stored in.
        rounding_cost: norm of what rounding changed as a share of the norm of what merging
            changed, estimated; None without a base.
        notes: differences that a reader should know of.
        heads: name -> adapter that it is from, of tensors that the base does not have.
        adapter: of the adapter that was written: its rank, and the norm that it lost as a share of
            that of the merged change, over all weights and for each; None for a whole model.
    """

    out: Path
    plan: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    versions: Mapping[str, str]
    merged: int
    unchanged: int
    statistics: Sequence[str]
    copied: Sequence[str]
    from_reference: Sequence[str]
    dtype: str
    rounding_cost: float | None
    notes: Sequence[str]
    heads: Mapping[str, str]
    adapter: Mapping[str, Any] | None

    @property
    def warnings(self) -> list[str]:
        """What a reader should know, in sentences."""
        found = list(self.notes)
        if self.rounding_cost is not None and self.rounding_cost > WORTH_SAYING:
            found.append(
                f"rounding to {self.dtype} changed the update by {self.rounding_cost:.1%} of its "
                "norm; rounding 'stochastic' keeps its mean, dtype 'float32' keeps all"
            )
        if self.statistics:
            found.append(
                "statistics of BatchNorm are between those of the models, not those of the merged "
                f"one: measure them again on data: {_names(self.statistics)}"
            )
        if self.from_reference:
            found.append(
                "integers that are not the same in all models are not merged; those of the base, "
                f"or of the first model, are taken: {_names(self.from_reference)}"
            )
        if self.adapter is not None and self.adapter["lost"] > WORTH_SAYING:
            rank, lost = self.adapter["rank"], self.adapter["lost"]
            found.append(
                f"an adapter of rank {rank} does not hold {lost:.1%} of the norm of the merged "
                "change; a higher rank holds more, a whole model all"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """The content of ``merge.json``."""
        return {name: value for name, value in vars(self).items() if name != "out"}


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")


def make_report(
    plan: Plan,
    merger: Merger,
    inputs: Sequence[Input],
    entries: Mapping[str, Entry],
    *,
    cost: RoundingCost,
    notes: Sequence[str],
    out: Path,
    heads: Mapping[str, Head],
    truncations: Sequence[Truncation] = (),
) -> Report:
    """The report of a merge whose tensors are all written.

    Args:
        plan: what was asked for.
        merger: that did it.
        inputs: the base, if there is one, and the models.
        entries: the tensors of the result.
        cost: of rounding.
        notes: differences beside the weights.
        out: where the result is.
        heads: that adapters bring.
        truncations: of the adapter that was written, if it was one.
    """
    names = {
        treatment: [i.group.name for i in merger.items if i.treatment == treatment]
        for treatment in get_args(Treatment)
    }
    differing = [name for name in names["copy"] if name in merger.differing]
    described = _inputs(plan, merger, inputs)
    return Report(
        out=out,
        plan=plan.to_json(),
        inputs=described,
        versions=_versions(),
        merged=len(names["merge"]),
        unchanged=len(names["unchanged"]),
        statistics=names["statistics"],
        copied=[name for name in names["copy"] if name not in differing],
        from_reference=differing,
        dtype=str(main_dtype(entries)).removeprefix("torch."),
        rounding_cost=None if plan.base is None or truncations else round(cost.share, 6),
        notes=[*notes, *_repeated(described)],
        heads={name: head.adapter.label for name, head in heads.items()},
        adapter=_adapter(plan.adapter_rank, truncations) if truncations else None,
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
    return {"path": model.source.label, "content": content + [model.config] * bool(model.config)}


def _adapter(rank: int | None, truncations: Sequence[Truncation]) -> dict[str, Any]:
    """What an adapter of low rank lost."""
    lost, change = sum(t.lost for t in truncations), sum(t.change for t in truncations)
    shares = {t.name: round(_share(t.lost, t.change), 6) for t in truncations}
    return {"rank": rank, "lost": round(_share(lost, change), 6), "lost_per_tensor": shares}


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


def _repeated(inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for all inputs of one content."""
    paths: dict[tuple[str, ...], list[str]] = {}
    for described in inputs:
        paths.setdefault(tuple(described["content"]), []).append(described["path"])
    return [f"the same weights: {', '.join(same)}" for same in paths.values() if len(same) > 1]
