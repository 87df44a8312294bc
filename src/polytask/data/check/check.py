"""All checks of all data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from polytask.data.check import (
    across,
    balance,
    conflicts,
    constants,
    groups,
    inputs,
    leaks,
    missing,
    overlap,
    shift,
    sizes,
    statistics,
    targets,
    unseen,
    vocabulary,
)
from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.report import CheckReport
from polytask.data.data_set import DataSet
from polytask.errors import InputError, unknown
from polytask.tasks import Task, TaskSet

__all__ = ["check"]

Check = Callable[[Examined], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    inputs.find,
    targets.find,
    unseen.find,
    leaks.find,
    overlap.find,
    groups.find,
    conflicts.find,
    shift.find,
    constants.find,
    sizes.find,
    missing.find,
    balance.find,
    statistics.find,
    vocabulary.find,
)


def check(
    data: Mapping[str, DataSet],
    tasks: Sequence[Task],
    *,
    groups: Mapping[str, str] | None = None,
) -> CheckReport:
    """Look at data before anything is trained on it; nothing is changed and nothing is raised.

    Args:
        data: data sets by name; their inputs need not be fitted.
        tasks: the tasks; they need not be fitted.
        groups: data set -> a column whose values must not be in two splits.

    Example:
        >>> report = check({}, [])
        >>> report.ok
        False
    """
    known = [task for task in tasks if task.data in data]
    findings = list(_task_set(data, tasks))
    examined = [
        Examined(one, [task for task in known if task.data == name], (groups or {}).get(name))
        for name, one in data.items()
    ]
    for one in examined:
        findings += [finding for find in CHECKS for finding in find(one)]
    return CheckReport([*findings, *across.find(examined)])


def _task_set(data: Mapping[str, DataSet], tasks: Sequence[Task]) -> Iterator[Finding]:
    """What is wrong with the tasks whatever the data: names, dependencies, unknown data sets."""
    for task in tasks:
        if task.data not in data:
            message = str(unknown("data set", task.data, data))
            yield Finding(level="error", kind="tasks", message=message, task=task.name)
    try:
        TaskSet(tasks)
    except InputError as error:
        yield Finding(level="error", kind="tasks", message=str(error))
