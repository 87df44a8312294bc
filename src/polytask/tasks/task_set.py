"""Several tasks: unique names, and an order in which dependencies come first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from polytask.errors import InputError, unknown
from polytask.tasks.task import Task

__all__ = ["TaskSet"]


class TaskSet(Mapping[str, Task]):
    """The tasks of one model, by name, in the order in which they were given.

    Args:
        tasks: the tasks.

    Raises:
        InputError: no task, two tasks of one name, or tasks that depend on unknown ones, on each
            other in a circle, or on a task with another kind of target (words, whole examples).
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks: dict[str, Task] = {}
        for task in tasks:
            if task.name in self._tasks:
                raise InputError(f"two tasks are named {task.name!r}")
            self._tasks[task.name] = task
        if not self._tasks:
            raise InputError("a model needs at least one task")
        self.order = self._sort()

    def __getitem__(self, name: str) -> Task:
        if name not in self._tasks:
            raise unknown("task", name, self._tasks)
        return self._tasks[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tasks  # the one of Mapping asks for a KeyError, not an InputError

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def of_data(self, name: str) -> list[Task]:
        """The tasks whose targets are in the data set of that name."""
        return [task for task in self._tasks.values() if task.data == name]

    def only(self, names: Iterable[str]) -> TaskSet:
        """The tasks of these names.

        Raises:
            InputError: a task depends on one that is left out, or a name is unknown.
        """
        return TaskSet(self[name] for name in names)

    def _sort(self) -> tuple[str, ...]:
        """The names, a task after all that it depends on."""
        for task in self._tasks.values():
            for other in task.depends_on:
                self._check_dependency(task, other)
        graph = {name: list(task.depends_on) for name, task in self._tasks.items()}
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise InputError(f"tasks depend on each other in a circle: {circle}") from error

    def _check_dependency(self, task: Task, other: str) -> None:
        where = f"task {task.name!r}: depends_on"
        if other not in self._tasks:
            raise unknown("task", other, self._tasks, where=where)
        if self._tasks[other].output.level != task.output.level:
            raise InputError(
                f"{where}: {other!r} predicts one target per {self._tasks[other].output.level}, "
                f"{task.name!r} one per {task.output.level}"
            )
