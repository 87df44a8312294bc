"""The result of a comparison: what ``metrics.json`` holds and what a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from polytask.errors import InputError
from polytask.evaluation.task_comparison import Estimate, TaskComparison, Verdict

__all__ = ["Comparison", "DeltaM"]


@dataclass(frozen=True, kw_only=True)
class DeltaM:
    """The multi-task gain over all tasks, see `polytask.evaluation.delta_m`.

    Args:
        percent: delta-m; positive where multi-task is better.
        tasks: number of tasks in it.
        near_zero: tasks in it whose single-task value is near zero.
        left_out: tasks for which no relative change is defined.
        gains: primary metric -> mean over its tasks of the absolute change, positive where
            multi-task is better.
    """

    percent: Estimate
    tasks: int
    near_zero: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    gains: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Multi-task models, and the matched single-task models if there are any.

    Args:
        seeds: of the multi-task runs.
        tasks: in the order of the recipe.
        pooled: tasks that split one column by a group (schools), scored over all groups at once.
        delta_m: None without single-task models.
        level: of all intervals.
        resamples: of the test examples.
    """

    seeds: tuple[int, ...]
    tasks: tuple[TaskComparison, ...]
    pooled: tuple[TaskComparison, ...] = ()
    delta_m: DeltaM | None = None
    level: float = 0.95
    resamples: int = 2000

    @property
    def has_baseline(self) -> bool:
        """Whether there are single-task models to compare with."""
        return any(task.single is not None for task in self.tasks)

    def named(self, verdict: Verdict) -> list[str]:
        """The tasks with this verdict."""
        return [task.name for task in self.tasks if task.verdict == verdict]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers; null where a number is not defined."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, where: str = "metrics.json") -> Comparison:
        """What `to_json` made.

        Raises:
            InputError: something is missing or of the wrong type.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_python(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{where}: {place or 'content'}: {first['msg']}") from error
