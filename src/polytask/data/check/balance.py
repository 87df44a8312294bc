"""How labels are distributed, and numbers spread, in every split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.values import target_numbers
from polytask.data.check.wording import number, percent, quoted
from polytask.tasks import Task
from polytask.tasks.outputs.labels import Label

__all__ = ["find"]

SHOWN = 4
"""Labels in a message; the details hold all."""


def find(examined: Examined) -> Iterator[Finding]:
    """One note per task: its labels, or mean and range of its numbers."""
    for task in examined.tasks:
        labels = examined.labels.get(task.name)
        if labels is not None:
            said = "; ".join(f"{split}: {_shares(counts)}" for split, counts in labels.items())
            counted = {s: {str(k): v for k, v in c.items()} for s, c in labels.items()}
            yield _finding(examined, task, said, {"labels": counted})
            continue
        spread = {s: _spread(task, v) for s, v in examined.targets[task.name].items()}
        found = {split: values for split, values in spread.items() if values}
        if found:
            said = "; ".join(f"{split}: {_range(values)}" for split, values in found.items())
            yield _finding(examined, task, said, {"numbers": found})


def _shares(counts: Mapping[Label, int]) -> str:
    total = sum(counts.values())
    if not total:
        return "no label"
    order = sorted(counts, key=lambda label: -counts[label])
    said = [f"{quoted(label)} {percent(counts[label], total)}" for label in order[:SHOWN]]
    rest = len(order) - SHOWN
    rarest = f"{quoted(order[-1])} with {counts[order[-1]]:,}" if rest > 0 else ""
    return ", ".join(said) + (f", and {rest:,} more down to {rarest}" if rest > 0 else "")


def _spread(task: Task, values: np.ndarray) -> dict[str, float]:
    found = target_numbers(task, values)
    if found is None or np.isnan(found).all():
        return {}
    return {
        "mean": float(np.nanmean(found)),
        "std": float(np.nanstd(found)),
        "min": float(np.nanmin(found)),
        "max": float(np.nanmax(found)),
    }


def _range(values: Mapping[str, float]) -> str:
    mean, std = number(values["mean"]), number(values["std"])
    return f"{mean} ± {std} ({number(values['min'])} to {number(values['max'])})"


def _finding(
    examined: Examined, task: Task, message: str, details: Mapping[str, object]
) -> Finding:
    return Finding(
        level="note",
        kind="balance",
        message=message,
        data=examined.name,
        task=task.name,
        details=details,
    )
