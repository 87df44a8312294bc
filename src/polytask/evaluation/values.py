"""The primary metrics of tasks, as measured and under resamplings of the test examples.

Shapes: R resamplings, S seeds of the multi-task models, B seeds of the single-task models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polytask.evaluation.bootstrap import bootstrap
from polytask.evaluation.change import Arms, absolute, relative
from polytask.evaluation.subject import Subject
from polytask.tasks.metrics import Evidence, Metric

__all__ = ["TaskValues", "measure"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskValues:
    """The primary metric of one task; row 0 as measured, then under R resamplings.

    Args:
        name: of the task.
        metric_name: for example ``"accuracy"``.
        metric: tells which direction is better.
        multi: ``[1 + R, S]`` of the multi-task models.
        single: ``[1 + R, B]`` of the single-task models, if there are any.
        paired: column s of both is of the same seed.
    """

    name: str
    metric_name: str
    metric: Metric
    multi: np.ndarray
    single: np.ndarray | None = None
    paired: bool = True

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is better."""
        return 1 if self.metric.higher_is_better else -1

    @property
    def baseline(self) -> np.ndarray:
        """``[1 + R, B]`` of the single-task models, which must be there."""
        assert self.single is not None
        return self.single

    def change(self) -> Arms:
        """Multi minus single."""
        return absolute(self.multi, self.baseline, paired=self.paired)

    def gain(self) -> Arms:
        """The change, turned so that positive means: multi-task is better."""
        return tuple(self.sign * arm for arm in self.change())

    def relative_gain(self) -> Arms:
        """The gain in percent of the single-task value: the task's term of delta-m."""
        arms = relative(self.multi, self.baseline, sign=self.sign, paired=self.paired)
        return tuple(100 * arm for arm in arms)


def measure(subjects: Sequence[Subject], *, resamples: int) -> list[TaskValues | None]:
    """The values of each subject; None where it has no test examples.

    Subjects of one data set share the draws of examples, data sets are independent.
    """
    by_data: dict[str, list[int]] = defaultdict(list)
    for index, subject in enumerate(subjects):
        if subject.multi:
            by_data[subject.data].append(index)
    found: list[TaskValues | None] = [None] * len(subjects)
    for data, members in by_data.items():
        measured = _measure_data(data, [subjects[index] for index in members], resamples)
        for index, values in zip(members, measured, strict=True):
            found[index] = values
    return found


def _measure_data(data: str, subjects: Sequence[Subject], resamples: int) -> list[TaskValues]:
    measurements = [
        (subject.metric, evidence)
        for subject in subjects
        for side in (subject.multi, subject.single)
        for evidence in side.values()
    ]
    rows = iter(bootstrap(measurements, resamples=resamples, purpose=data))

    def side(evidence: Mapping[int, Evidence]) -> np.ndarray | None:
        columns = [next(rows) for _ in evidence]
        return np.stack(columns, axis=1) if columns else None

    return [_task_values(s, multi=side(s.multi), single=side(s.single)) for s in subjects]


def _task_values(
    subject: Subject, *, multi: np.ndarray | None, single: np.ndarray | None
) -> TaskValues:
    assert multi is not None, "a subject without examples is not measured"
    return TaskValues(
        name=subject.name,
        metric_name=subject.output.primary_metric,
        metric=subject.metric,
        multi=multi,
        single=single,
        paired=subject.paired,
    )
