"""What balancing did: weights of the tasks, lengths and conflicts of their gradients.

Shapes: K tasks of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polytask.report.curve import read_logs
from polytask.report.files import read_recipe
from polytask.report.html import Markup, section, table, tag
from polytask.report.numbers import number

__all__ = ["balance_section"]

LAST = 0.1
"""Share of the steps that counts as the end of training."""

SAID = (
    "Means over steps and seeds. The weight is the factor of a task's gradient in the update of "
    "the shared parameters. Two tasks are in conflict in a step where the cosine of their "
    "gradients is negative."
)


def balance_section(run: Path) -> Markup:
    """A row per task, from the logs of the multi-task runs; nothing if no step was balanced."""
    logs = read_logs(run / "multi")
    steps = [_steps(records) for records in logs]
    if not any(steps):
        return Markup()
    names = list(dict.fromkeys(name for found in steps for s in found for name in s["tasks"]))
    rows = [_row(name, steps) for name in names]
    head = ["task", "weight", "weight at the end", "gradient norm", "mean cosine", "in conflict"]
    method = tag("p", f"Method: {read_recipe(run).get('balance', '–')}.")
    return section("Balancing", method, table(head, rows), tag("p", SAID, class_="legend"))


def _steps(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record["balance"] for record in records if isinstance(record.get("balance"), dict)]


def _row(name: str, logs: Sequence[Sequence[dict[str, Any]]]) -> list[object]:
    weights = [_series(steps, name, "weights") for steps in logs]
    ends = [found[-max(1, round(LAST * len(found))) :] for found in weights if found]
    norms = [value for steps in logs for value in _series(steps, name, "norms")]
    cosines = [value for steps in logs for step in steps for value in _cosines(step, name)]
    conflict = f"{np.mean(np.array(cosines) < 0):.0%}" if cosines else number(None)
    return [
        name,
        _mean([value for found in weights for value in found]),
        _mean([value for found in ends for value in found]),
        _mean(norms),
        _mean(cosines),
        conflict,
    ]


def _series(steps: Sequence[dict[str, Any]], name: str, key: str) -> list[float]:
    """The values of a task in the steps that have it."""
    there = [step for step in steps if key in step and name in step["tasks"]]
    return [step[key][step["tasks"].index(name)] for step in there]


def _cosines(step: dict[str, Any], name: str) -> list[float]:
    """The cosines of a task with the others of a step."""
    if "cosines" not in step or name not in step["tasks"]:
        return []
    rows, index = step["cosines"], step["tasks"].index(name)
    return [*rows[index], *(rows[other][index - other - 1] for other in range(index))]


def _mean(values: Sequence[float]) -> str:
    return number(float(np.mean(values))) if values else number(None)
