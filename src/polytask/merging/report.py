"""What a merge did: `merge.json`, and what the command line prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["WORTH_SAYING", "Report", "listed"]

WORTH_SAYING = 0.01
"""Share of the update's norm that rounding may cost unsaid."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a merge did.

    Args:
        out: the folder of the merged model.
        plan: method, options, dtype, seed, as they were resolved.
        inputs: the base, if there is one, the models and their statistics: path, content hash,
            occurrence.
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
        adapter: of the adapter that was written: its rank, in all and for each weight; the norm
            that it lost as a share of that of the change, over all weights and for each; tensors
            whose change it leaves out, with their share of the whole norm. None for a whole model.
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
                f"one: measure them again on data: {listed(self.statistics)}"
            )
        if self.from_reference:
            found.append(
                "integers that are not the same in all models are not merged; those of the base, "
                f"or of the first model, are taken: {listed(self.from_reference)}"
            )
        if self.adapter is not None and self.adapter["lost"] > WORTH_SAYING:
            rank, lost = self.adapter["rank"], self.adapter["lost"]
            found.append(
                f"an adapter of rank {rank} does not hold {lost:.1%} of the norm of the merged "
                "change; a higher rank holds more, a whole model all"
            )
        if self.adapter is not None and self.adapter["left_out"]:
            found.append(
                "the adapter does not hold what changed in "
                f"{listed(list(self.adapter['left_out']))}; modules_to_save keeps whole modules"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """The content of ``merge.json``."""
        return {name: value for name, value in vars(self).items() if name != "out"}


def listed(names: Sequence[str]) -> str:
    """The first few of some names, and how many there are."""
    return ", ".join(names[:5]) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")
