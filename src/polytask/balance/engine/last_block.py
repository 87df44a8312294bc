"""Gradients of the last shared block, in place of those of all shared parameters.

Shapes: K tasks, N numbers of the block's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from polytask.balance.engine.gradients import TaskGradients
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.weighted import of_sum
from polytask.errors import InputError

__all__ = ["LastBlockGradients"]


class LastBlockGradients:
    """Walks heads and the last shared block task by task, and all that is shared once more.

    Args:
        losses: task -> scalar, of this process.
        tasks: ``[K]`` of the step.
        block: the parameters of the last shared block.
        shared: all shared parameters.
        scale: factor of the losses, as of a gradient scaler.
        retain_graph: as in autograd.

    Raises:
        InputError: a parameter of the block is not shared.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor],
        tasks: Sequence[str],
        block: Sequence[Tensor],
        shared: Sequence[Tensor],
        *,
        scale: float = 1.0,
        retain_graph: bool = False,
    ) -> None:
        known, trained = {id(p) for p in shared}, {id(p): p for p in block if p.requires_grad}
        if not trained or not trained.keys() <= known:
            raise InputError("cost='last_block': give last_block, parameters that are shared")
        self._losses, self._tasks, self._shared = losses, tuple(tasks), list(shared)
        self.scale, self._retain = scale, retain_graph
        gradients = TaskGradients(tasks, [[*trained.values()]], shared, scale=scale)
        gradients.add(losses, retain_graph=True)
        (self._block,), self.pending = gradients.groups, gradients.pending

    @property
    def rows(self) -> Tensor:
        """``[K, N]`` gradients of the block."""
        return self._block.rows

    def combine(self, processes: Processes) -> None:
        """Make the gradients of the block those of all processes."""
        self._block.combine(processes)

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products in the block, float64 on the CPU; call `combine` first."""
        return self._block.gramian(processes)

    def apply(self, weights: Tensor) -> None:
        """Differentiate the weighted sum of the losses for all shared parameters."""
        here = weights[[self._tasks.index(name) for name in self._losses]]
        found = of_sum(
            self._losses, here, self._shared, scale=self.scale, retain_graph=self._retain
        )
        self.pending.add(*found)

    def apply_update(self, update: Tensor) -> None:
        """Never possible: an update of the block says nothing of the parameters before it.

        Raises:
            InputError: always.
        """
        raise InputError("cost='last_block': needs a method that gives weights; use cost='exact'")
