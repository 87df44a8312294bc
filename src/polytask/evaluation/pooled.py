"""Scores over the examples of several tasks at once, as is usual for grouped data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from polytask.evaluation.subject import Subject
from polytask.tasks import Regression, TaskSet
from polytask.tasks.metrics import Evidence, Metric, Rows

__all__ = ["pool_evidence", "pooled_metric", "pooled_subjects"]


def pooled_metric(evidence: Mapping[str, Evidence], metric: Metric) -> float:
    """The metric over all examples of all tasks, as if they were one task.

    For the 139 schools of the School data, the explained variance over all pupils is the figure of
    the literature: it also rewards to know which school is better, which the mean of 139 explained
    variances does not. Targets must be comparable: of one unit, or of the same classes.

    Args:
        evidence: task -> what a model said about it.
        metric: of the pooled examples.
    """
    return metric.value(pool_evidence(list(evidence.values())))


def pool_evidence(parts: Sequence[Evidence]) -> Evidence:
    """All examples in one; ids stay, so that parts must be of one split or the ids mean nothing."""
    columns = ([getattr(part, name) for part in parts] for name in ("scores", "targets", "mask"))
    return Evidence(np.concatenate([part.ids for part in parts]), *map(_join, columns))


def _join(rows: Sequence[Rows]) -> Rows:
    if all(isinstance(part, np.ndarray) for part in rows):
        return np.concatenate(list(rows))
    return [row for part in rows for row in part]


def pooled_subjects(tasks: TaskSet, subjects: Sequence[Subject]) -> list[Subject]:
    """One subject for every column that tasks share, each having the rows of one group.

    Tasks are pooled if they have the same data set, target column and comparable targets: any
    regressions (scores are in the target's own unit), or equal outputs (the same classes).
    """
    groups: dict[tuple[str, str, type], list[Subject]] = defaultdict(list)
    for subject in subjects:
        if subject.multi:
            column = tasks[subject.name].target_column
            groups[subject.data, column, type(subject.output)].append(subject)
    return [
        _pool(column, members)
        for (_, column, _), members in groups.items()
        if len(members) > 1 and _comparable(members)
    ]


def _comparable(members: Sequence[Subject]) -> bool:
    first = members[0]
    of_one_kind = isinstance(first.output, Regression)
    same = all(of_one_kind or member.output == first.output for member in members)
    primary = {member.output.primary_metric for member in members}
    seeds = {(tuple(member.multi), tuple(member.single)) for member in members}
    return same and len(primary) == 1 and len(seeds) == 1


def _pool(column: str, members: Sequence[Subject]) -> Subject:
    first = members[0]
    return Subject(
        name=f"{column} of all {len(members)} tasks",
        data=first.data,
        output=first.output,
        multi={s: pool_evidence([m.multi[s] for m in members]) for s in first.multi},
        single={s: pool_evidence([m.single[s] for m in members]) for s in first.single},
    )
