"""Labels that training does not have."""

from __future__ import annotations

from collections.abc import Iterator

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.wording import counted, listed, percent, quoted
from polytask.tasks import Task
from polytask.tasks.outputs.labels import Label

__all__ = ["find"]


def find(examined: Examined) -> Iterator[Finding]:
    """Labels that only other splits have: an error, unless the task counts them as wrong."""
    for task in examined.tasks:
        labels = examined.labels.get(task.name, {})
        known = {*labels.get("train", {}), *_given(task)}
        for split, counts in labels.items():
            new = {label: count for label, count in counts.items() if label not in known}
            if split != "train" and known and new:
                yield _finding(examined, task, split, new, sum(counts.values()))


def _given(task: Task) -> tuple[Label, ...]:
    return getattr(task.output, "classes", None) or ()


def _finding(
    examined: Examined, task: Task, split: str, new: dict[Label, int], total: int
) -> Finding:
    times = sum(new.values())
    tolerated = getattr(task.output, "unknown", "error") == "wrong"
    hint = "they count as wrong" if tolerated else _hint(task)
    message = (
        f"{counted(len(new), 'label')} that training does not have ({listed(map(quoted, new))}), "
        f"{counted(times, 'time')} ({percent(times, total)}); {hint}"
    )
    return Finding(
        level="warning" if tolerated else "error",
        kind="unseen",
        message=message,
        data=examined.name,
        split=split,
        task=task.name,
        details={"labels": {str(label): count for label, count in new.items()}},
    )


def _hint(task: Task) -> str:
    if hasattr(task.output, "unknown"):
        return "set unknown: wrong in the output to count them as wrong"
    return "remove these rows, or name all classes in the output"
