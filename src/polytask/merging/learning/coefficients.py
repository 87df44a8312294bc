"""Factors of the changes of experts, one for each task or for each tensor of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from polytask.errors import unknown
from polytask.merging.learning.changes import Changes
from polytask.merging.learning.checks import check_within

__all__ = ["Coefficients", "Each"]

Each = Literal["task", "tensor"]
"""Whether one factor counts for the whole change of a task, or for one tensor of it."""


class Coefficients(nn.Module):
    """A factor for each task, or for each tensor of each task.

    Args:
        changes: what they are factors of.
        each: ``task`` or ``tensor``.
        start: their value before anything is learned, within the bounds.
        bounds: least and largest value that counts; beyond them there is no gradient.

    Raises:
        InputError: no such kind, or a start that is no number within the bounds.
    """

    def __init__(
        self,
        changes: Changes,
        *,
        each: Each,
        start: float,
        bounds: tuple[float, float] = (-float("inf"), float("inf")),
    ) -> None:
        super().__init__()
        if each not in ("task", "tensor"):
            raise unknown("each", each, ("task", "tensor"))
        check_within("start", start, bounds)
        self._tasks: Sequence[str] = changes.tasks
        names = list(changes.stacked) if each == "tensor" else [""]
        self._columns: Mapping[str, int] = {name: column for column, name in enumerate(names)}
        self._bounds = bounds
        size = (len(self._tasks), len(names))
        self.values = nn.Parameter(torch.full(size, float(start), device=changes.device))

    def of(self, name: str) -> Tensor:
        """``[K]`` the factors of a tensor."""
        return self.values.clamp(*self._bounds)[:, self._columns.get(name, 0)]

    def table(self) -> dict[str, dict[str, float]]:
        """Task -> tensor -> factor, rounded to six digits."""
        rows = self.values.detach().clamp(*self._bounds).tolist()
        return {
            task: {name: round(row[column], 6) for name, column in self._columns.items()}
            for task, row in zip(self._tasks, rows, strict=True)
        }
