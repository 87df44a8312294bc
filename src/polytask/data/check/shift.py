"""Splits whose targets are distributed otherwise than in training.

Shapes: C labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.values import target_numbers
from polytask.data.check.wording import number, percent, quoted
from polytask.tasks import Task
from polytask.tasks.outputs.labels import Label

__all__ = ["find"]

DISTANCE = 0.1
"""Total variation between label distributions from which a shift is strong."""

CHANCE = 3.0
"""Times the distance that chance alone would give, so that small splits raise no alarm."""

DEVIATIONS = 0.25
"""Standard deviations between means from which the shift of a number is strong."""


def find(examined: Examined) -> Iterator[Finding]:
    """A warning per task and split whose targets are far from those of training."""
    for task in examined.tasks:
        labels = examined.labels.get(task.name, {})
        for split in examined.others:
            if {"train", split} <= set(labels):
                yield from _labels(examined, task, split, labels["train"], labels[split])
            elif not labels:
                yield from _numbers(examined, task, split)


def _labels(
    examined: Examined,
    task: Task,
    split: str,
    train: Mapping[Label, int],
    other: Mapping[Label, int],
) -> Iterator[Finding]:
    names = list(dict.fromkeys([*train, *other]))
    counts = np.array([[train.get(n, 0), other.get(n, 0)] for n in names], dtype=np.float64)
    totals = counts.sum(axis=0)
    if not names or not totals.all():
        return
    shares = counts / totals
    distance = float(np.abs(shares[:, 0] - shares[:, 1]).sum() / 2)
    if distance > DISTANCE and distance > CHANCE * _by_chance(shares[:, 0], totals):
        moved = int(np.abs(shares[:, 0] - shares[:, 1]).argmax())
        a, b = (percent(share, 1) for share in shares[moved])
        message = (
            f"labels are distributed otherwise than in training (total variation {distance:.2f}): "
            f"{quoted(names[moved])} is {a} there and {b} here"
        )
        yield _finding(examined, task, split, message, distance)


def _by_chance(shares: np.ndarray, totals: np.ndarray) -> float:
    """The total variation that two samples of one distribution have on average."""
    scale = 2 / math.pi * float((1 / totals).sum())
    return float(np.sqrt(shares * (1 - shares) * scale).sum() / 2)


def _numbers(examined: Examined, task: Task, split: str) -> Iterator[Finding]:
    targets = examined.targets[task.name]
    if not {"train", split} <= set(targets):
        return
    found = [target_numbers(task, targets[name]) for name in ("train", split)]
    train, other = (x[~np.isnan(x)] if x is not None else np.zeros(0) for x in found)
    if len(train) < 2 or not len(other) or np.ptp(train) == 0:
        return
    distance = abs(float(other.mean() - train.mean())) / float(train.std())
    if distance > DEVIATIONS and distance > CHANCE * math.sqrt(1 / len(train) + 1 / len(other)):
        message = (
            f"the mean is {number(other.mean())}, in training {number(train.mean())}: "
            f"{distance:.2f} standard deviations apart"
        )
        yield _finding(examined, task, split, message, distance)


def _finding(examined: Examined, task: Task, split: str, message: str, distance: float) -> Finding:
    return Finding(
        level="warning",
        kind="shift",
        message=message,
        data=examined.name,
        split=split,
        task=task.name,
        details={"distance": distance},
    )
