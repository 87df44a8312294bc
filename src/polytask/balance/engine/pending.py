"""Gradients that are on their way to ``.grad``: of one process, or summed over several.

Shapes: K tasks, P numbers of all parameters together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from polytask.balance.engine.rows import accumulate, added, own_storage

__all__ = ["Pending"]


class Pending:
    """Gradients per parameter, each of one task or of the whole step.

    They wait until the weights of the tasks are known and the other processes have theirs.
    """

    def __init__(self) -> None:
        self._found: list[tuple[int | None, Tensor, Tensor]] = []

    def add(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        *,
        task: int | None = None,
    ) -> None:
        """Take gradients; None where there is none.

        Args:
            parameters: that they belong to.
            gradients: of the same shapes.
            task: position of the task whose loss they are of; None for that of the whole step,
                which is not weighted any more.
        """
        pairs = zip(parameters, gradients, strict=True)
        self._found += [(task, p, gradient) for p, gradient in pairs if gradient is not None]

    def of(self, task: int) -> list[tuple[Tensor, Tensor]]:
        """Parameters and gradients of the task at this position."""
        return [
            (parameter, gradient) for owner, parameter, gradient in self._found if owner == task
        ]

    def weighted(self, weights: Tensor | None) -> Iterable[tuple[Tensor, Tensor]]:
        """Parameter and gradient; those of a task times its weight ``[K]``, or as they are."""
        for task, parameter, gradient in self._found:
            if task is None or weights is None:
                yield parameter, gradient
            else:
                yield parameter, gradient * float(weights[task])

    def accumulate(self, weights: Tensor | None) -> None:
        """Add them to ``.grad``."""
        taken: set[int] = set()
        for parameter, gradient in self.weighted(weights):
            accumulate(parameter, own_storage(gradient, taken))

    def total(self, weights: Tensor | None, parameters: Sequence[Tensor]) -> list[Tensor | None]:
        """The sum for each of these parameters; None where nothing was added."""
        sums: dict[int, Tensor] = {}
        for parameter, gradient in self.weighted(weights):
            before = sums.get(id(parameter))
            sums[id(parameter)] = gradient if before is None else added(before, gradient)
        return [sums.get(id(parameter)) for parameter in parameters]
