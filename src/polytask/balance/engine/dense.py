"""Gradients that are kept as they are, a row per task.

Shapes: K tasks, P numbers of the parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import accumulate, row_dtype, views
from polytask.errors import InputError

__all__ = ["DenseGradients"]


class DenseGradients:
    """The gradients of some parameters.

    Args:
        parameters: whose gradients are kept.
        count: K.

    Raises:
        InputError: a parameter is complex.
    """

    def __init__(self, parameters: Sequence[Tensor], count: int) -> None:
        self.parameters = list(parameters)
        if any(parameter.is_complex() for parameter in parameters):
            raise InputError("balance: complex parameters cannot be balanced; use view_as_real")
        device = self.parameters[0].device if self.parameters else torch.device("cpu")
        size = sum(p.numel() for p in self.parameters)
        dtype = row_dtype(self.parameters)
        self._rows = torch.empty(count, size, dtype=dtype, device=device)
        self._begun: set[int] = set()
        self._reached: set[int] = set()
        self._sparse: set[int] = set()

    @property
    def rows(self) -> Tensor:
        """``[K, P]``; zero where a task has no gradient."""
        for task in set(range(len(self._rows))) - self._begun:
            self._rows[task].zero_()
            self._begun.add(task)
        return self._rows

    def add(self, task: int, gradients: Sequence[Tensor | None]) -> None:
        """Add gradients of a task's loss; None where it does not depend on a parameter."""
        parts = views(self._rows[task], self.parameters)
        begun = task in self._begun
        for parameter, part, gradient in zip(self.parameters, parts, gradients, strict=True):
            if gradient is not None:
                self._reached.add(id(parameter))
                if gradient.is_sparse:
                    self._sparse.add(id(parameter))
                    gradient = gradient.to_dense()
                part.add_(gradient) if begun else part.copy_(gradient)
            elif not begun:
                part.zero_()
        self._begun.add(task)

    def combine(self, processes: Processes) -> None:
        """Make the gradients those of all processes."""
        processes.combine(self.rows)
        flags = [float(id(p) in self._reached) for p in self.parameters]
        found = processes.add(torch.tensor(flags, device=self.rows.device)).tolist()
        pairs = zip(self.parameters, found, strict=True)
        self._reached = {id(parameter) for parameter, count in pairs if count}

    def accumulate(self, update: Tensor) -> None:
        """Add an update ``[P]`` to ``.grad`` of the parameters that any loss depends on."""
        for parameter, part in zip(self.parameters, views(update, self.parameters), strict=True):
            if id(parameter) in self._reached:
                sparse = id(parameter) in self._sparse
                accumulate(parameter, part.to_sparse(1) if sparse else part)
