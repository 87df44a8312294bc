"""Training curves, averaged over seeds.

A multi-task run takes more steps than a single-task run, so both run from 0 to 1: the share of the
run's own steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Curve", "Logs", "loss_curve", "metric_curve", "read_logs"]

Logs = list[list[dict[str, Any]]]
"""The records of the log of each seed."""

BINS = 60
"""Points of a curve: more than this cannot be told apart in a small panel."""


@dataclass(frozen=True)
class Curve:
    """A curve of at most `BINS` points.

    Args:
        share: of the steps that were done, in (0, 1].
        value: mean over the records near that point, of all seeds.
    """

    share: np.ndarray
    value: np.ndarray


def read_logs(parent: Path) -> Logs:
    """The logs ``seed-*/metrics.jsonl`` in a folder; a line that is no record ends its log."""
    return [_read(file) for file in sorted(parent.glob("seed-*/metrics.jsonl"))]


def loss_curve(logs: Logs, task: str) -> Curve | None:
    """The training loss of a task; None if nothing was logged."""
    return _curve(logs, lambda record: (record.get("loss") or {}).get(task))


def metric_curve(logs: Logs, task: str, metric: str) -> Curve | None:
    """A validation metric of a task; None if nothing was logged."""
    return _curve(logs, lambda record: ((record.get("metrics") or {}).get(task) or {}).get(metric))


def _read(file: Path) -> list[dict[str, Any]]:
    records = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not (isinstance(record, dict) and isinstance(record.get("step"), int)):
            break
        records.append(record)
    return records


def _curve(logs: Logs, pick: Callable[[dict[str, Any]], float | None]) -> Curve | None:
    points: list[tuple[float, float]] = []
    for records in logs:
        last = max((record["step"] for record in records), default=1)
        found = [(record["step"] / last, pick(record)) for record in records]
        points += [(x, float(y)) for x, y in found if y is not None]
    return _binned(points) if points else None


def _binned(points: Sequence[tuple[float, float]]) -> Curve | None:
    share, value = np.array(points).T
    share, value = share[np.isfinite(value)], value[np.isfinite(value)]
    if not len(value):
        return None
    _, bins = np.unique(np.ceil(share * BINS), return_inverse=True)
    count = np.bincount(bins)
    return Curve(np.bincount(bins, share) / count, np.bincount(bins, value) / count)
