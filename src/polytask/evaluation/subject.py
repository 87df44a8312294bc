"""What is compared: one task, and what multi-task and single-task models said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polytask.errors import InputError
from polytask.tasks import Output, TaskSet
from polytask.tasks.metrics import Evidence, Metric, Rows

__all__ = ["Runs", "Subject", "subjects"]

Runs = Mapping[int, Mapping[str, Evidence]]
"""Seed -> task -> what the model of that seed said about the task on the test split."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One task of a comparison.

    Args:
        name: of the task.
        data: name of its data set.
        output: its fitted output type.
        multi: seed -> evidence of the multi-task model; empty without test examples.
        single: seed -> evidence of the single-task model; empty if there is none.

    Raises:
        InputError: the models of one seed did not see the same test examples, or have different
            outputs.
    """

    name: str
    data: str
    output: Output
    multi: Mapping[int, Evidence]
    single: Mapping[int, Evidence]

    def __post_init__(self) -> None:
        for seed, evidence in self.single.items():
            if self.multi:
                other = self.multi.get(seed) or next(iter(self.multi.values()))
                _check_same_test(self.name, other, evidence)

    @property
    def metric(self) -> Metric:
        """The primary metric."""
        return self.output.metrics()[self.output.primary_metric]

    @property
    def examples(self) -> int:
        """The number of labelled test examples (of the first seed)."""
        return len(next(iter(self.multi.values()))) if self.multi else 0

    @property
    def paired(self) -> bool:
        """Whether multi-task and single-task models were trained with the same seeds."""
        return list(self.multi) == list(self.single)


def subjects(tasks: TaskSet, multi: Runs, single: Runs | None) -> list[Subject]:
    """The subjects of a comparison, one per task.

    Raises:
        InputError: there is no multi-task run, a task was evaluated for some seeds only, or the
            test examples differ.
    """
    if not multi:
        raise InputError("there is no evaluated run to compare")
    return [
        Subject(
            name=task.name,
            data=task.data,
            output=task.output,
            multi=_of_task(multi, task.name),
            single=_of_task(single or {}, task.name),
        )
        for task in tasks.values()
    ]


def _of_task(runs: Runs, name: str) -> dict[int, Evidence]:
    found = {seed: _by_id(runs[seed][name]) for seed in sorted(runs) if name in runs[seed]}
    if found and len(found) < len(runs):
        absent = sorted(set(runs) - set(found))
        raise InputError(f"task {name!r} was evaluated with seeds {list(found)}, not with {absent}")
    return {seed: evidence for seed, evidence in found.items() if len(evidence)}


def _by_id(evidence: Evidence) -> Evidence:
    in_order = bool(np.all(evidence.ids[1:] >= evidence.ids[:-1]))
    return evidence if in_order else evidence.take(np.argsort(evidence.ids, kind="stable"))


def _check_same_test(name: str, one: Evidence, other: Evidence) -> None:
    if not np.array_equal(one.ids, other.ids):
        counts = f"{len(one)} and {len(other)} examples"
        raise InputError(f"task {name!r}: the models were tested on different examples ({counts})")
    if not (_equal(one.targets, other.targets) and _equal(one.mask, other.mask)):
        raise InputError(f"task {name!r}: the targets of the same test examples differ")
    if _outputs(one.scores) != _outputs(other.scores):
        raise InputError(f"task {name!r}: the models have different outputs (other classes?)")


def _outputs(scores: Rows) -> tuple[int, ...]:
    """The shape of the scores of an example, or of a word."""
    return tuple(scores.shape[1:] if isinstance(scores, np.ndarray) else scores[0].shape[1:])


def _equal(one: Rows, other: Rows) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
