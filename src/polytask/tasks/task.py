"""A task: a name, what is predicted, and where its targets are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from polytask.errors import InputError, unknown
from polytask.tasks.outputs.base import HeadOptions, Output

__all__ = ["Task"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing to predict.

    Args:
        name: the task's name, unique in its set; letters, digits and ``_ - +`` only, since it
            becomes part of file and parameter names.
        output: what kind of thing is predicted.
        data: name of the data set that holds the targets.
        target: the column of the targets; the task's name by default.
        where: column -> value; the task has targets only in rows with these values.
        weight: factor of the task's loss.
        example_weight: a column of non-negative weights of the examples in the loss.
        head: shape of the head.
        learning_rate: factor of the learning rate for the parameters that only this task uses.
        depends_on: other task -> what of it the head of this task sees beside the features:
            ``"logits"``, or ``"detached"`` for logits through which no gradient flows back.

    Raises:
        InputError: a name that cannot be part of a file name, or a weight that is negative or not
            finite.

    Example:
        >>> from polytask.tasks import Classification
        >>> Task(name="intent", output=Classification(), data="atis").target_column
        'intent'
    """

    name: str
    output: Output
    data: str
    target: str | None = None
    where: Mapping[str, str | int | float] = field(default_factory=dict)
    weight: float = 1.0
    example_weight: str | None = None
    head: HeadOptions = field(default_factory=HeadOptions)
    learning_rate: float = 1.0
    depends_on: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "_-+" for c in self.name):
            raise InputError(f"task name {self.name!r}: use letters, digits and _ - +")
        if not (0 <= self.weight < math.inf and 0 <= self.learning_rate < math.inf):
            raise InputError(
                f"task {self.name!r}: weight and learning_rate must be finite and not negative"
            )
        for other, what in self.depends_on.items():
            if what not in ("logits", "detached"):
                place = f"task {self.name!r}: depends_on {other!r}"
                raise InputError(f"{place} must be 'logits' or 'detached', got {what!r}")

    @property
    def target_column(self) -> str:
        """The column that holds the targets."""
        return self.target or self.name

    def fit(self, targets: np.ndarray, *, where: str) -> Task:
        """A copy whose output knows what the training targets tell.

        Args:
            targets: ``[N, ...]`` the target column of the training split.
            where: file, for messages.

        Raises:
            InputError: no target can be learned from, or ``primary`` is no metric of the output.
        """
        place = f"{where}: task {self.name!r}"
        output = self.output.fit(targets, where=place)
        if output.primary is not None and output.primary not in output.metrics():
            raise unknown("metric", output.primary, output.metrics(), where=place)
        return replace(self, output=output)
