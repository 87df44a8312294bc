"""What is predicted, how is it learned and scored?"""

from polytask.tasks.outputs import (
    OUTPUTS,
    Classification,
    HeadOptions,
    MultiLabel,
    Ordinal,
    Output,
    Regression,
    Tagging,
)
from polytask.tasks.task import Task
from polytask.tasks.task_set import TaskSet

__all__ = [
    "OUTPUTS",
    "Classification",
    "HeadOptions",
    "MultiLabel",
    "Ordinal",
    "Output",
    "Regression",
    "Tagging",
    "Task",
    "TaskSet",
]
