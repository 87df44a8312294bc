"""The tasks of the recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from polytask.recipe.guessing.data_set import GuessedData
from polytask.recipe.guessing.yaml_text import Entry

__all__ = ["count_tasks", "task_entries"]

TEMPLATE = 3
"""Columns of one kind from which one key stands for them all."""

OFFERED = 5
"""Most inputs of two values that are named as possible tasks; more are the parts of categories."""


def task_entries(data: Sequence[GuessedData]) -> list[Entry]:
    """One entry per task, or per several columns of one kind."""
    entries: list[Entry] = []
    said: set[str] = set()
    columns = [column for one in data for column in one.outputs]
    for one in data:
        shared = any(columns.count(column) > 1 for column in one.outputs)
        taken = {entry.key for entry in entries}
        first, *others = _entries(one, taken, several=len(data) > 1, prefixed=shared)
        comments = [line for line in (one.reason, *_hints(one)) if line not in said]
        said.update(comments)
        entries += [Entry(first.key, first.value, comments), *others]
    return entries


def count_tasks(data: Sequence[GuessedData]) -> int:
    """Number of tasks, with those of a template."""
    return sum(one.table.columns[one.by].distinct if one.by else len(one.outputs) for one in data)


def _entries(one: GuessedData, taken: set[str], *, several: bool, prefixed: bool) -> list[Entry]:
    extra = {"data": one.name} if several else {}
    prefix = f"{one.name}-" if prefixed else ""
    alike = _alike(one.outputs) if one.by is None else []
    entries: list[Entry] = []
    for column, output in one.outputs.items():
        if column not in alike:
            name = _unique(f"{prefix}{_task_name(column)}", taken | {e.key for e in entries})
            by = {"by": one.by} if one.by else {}
            key = f"{name}-{{value}}" if one.by else name
            target = {} if key == column else {"target": column}
            entries.append(Entry(key, {"output": _short(output), **target, **by, **extra}))
        elif column == alike[0]:
            value = {"columns": alike, "output": _short(output), **extra}
            lines = [Entry(key, item) for key, item in value.items()]
            entries.append(Entry(f"{_unique(prefix + '{column}', taken)}", lines))
    return entries


def _alike(outputs: Mapping[str, dict[str, Any]]) -> list[str]:
    """The most columns that have one output and a name that a task may have."""
    kinds: dict[str, list[str]] = {}
    for column, output in outputs.items():
        if column == _task_name(column):
            kinds.setdefault(str(output), []).append(column)
    largest = max(kinds.values(), key=len, default=[])
    return largest if len(largest) >= TEMPLATE else []


def _short(output: Mapping[str, Any]) -> Any:
    return output["type"] if len(output) == 1 else dict(output)


def _task_name(column: str) -> str:
    """A column's name with letters, digits and ``_ - +`` only."""
    text = "".join(c if c.isalnum() or c in "_-+" else " " for c in column)
    return re.sub(r"\s+", "_", text.strip()) or "task"


def _unique(name: str, taken: set[str]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def _hints(one: GuessedData) -> list[str]:
    """What to change, for the kinds of output that there are."""
    kinds = [str(output) for output in one.outputs.values()]
    hints = _offers(one)
    whole = [
        name
        for name, output in one.outputs.items()
        if output["type"] == "classification" and one.table.columns[name].is_whole
        if one.table.columns[name].distinct > 2
    ]
    if whole:
        hints.append(f"If {', '.join(whole[:3])} has an order: output: ordinal (or regression).")
    if any("wrong" in kind for kind in kinds):
        hints.append("unknown: wrong counts labels that training does not have as mistakes.")
    if any("auroc" in kind for kind in kinds):
        hints.append(
            "A class is rare, so the area under the ROC curve is compared, not the accuracy."
        )
    if any("r2" in kind for kind in kinds):
        hints.append("R2 is compared, because it has no unit; rmse and others are reported too.")
    return hints


def _offers(one: GuessedData) -> list[str]:
    """Inputs of a table that may be meant as targets."""
    pairs = [n for n in one.inputs.columns if one.table.columns[n].distinct == 2]
    if one.inputs.modality != "features" or not 0 < len(pairs) <= OFFERED:
        return []
    return [f"These inputs have two values and could be tasks instead: {', '.join(pairs)}."]
