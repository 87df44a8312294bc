"""Inner products of gradients of independent batches.

Shapes: K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from polytask.balance.engine.gradients import TaskGradients
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import gramian_of

__all__ = ["cross_gramians"]


def cross_gramians(
    batches: Sequence[Mapping[str, Tensor]],
    tasks: Sequence[str],
    groups: Sequence[Sequence[Tensor]],
    processes: Processes,
    *,
    scale: float = 1.0,
) -> list[Tensor]:
    """``[K, K]`` inner products of two batches for each group, float64 on the CPU.

    Row k, column l is that of task k in the first batch and task l in the second. The expectation
    is the Gramian of the expected gradients; that of a Gramian of one batch has the variance of the
    gradients on its diagonal too.

    Args:
        batches: task -> scalar, of this process; two.
        tasks: ``[K]`` of the step.
        groups: shared parameters that are compared apart.
        processes: that compute the step together.
        scale: factor of the losses, as of a gradient scaler; not in the products.
    """
    shared, rows = [parameter for group in groups for parameter in group], []
    for losses in batches:
        gradients = TaskGradients(tasks, groups, shared, scale=scale)
        gradients.add(losses)
        for group in gradients.groups:
            group.combine(processes)
        rows.append([group.rows for group in gradients.groups])
    return [gramian_of(*pair).cpu() / scale**2 for pair in zip(*rows, strict=True)]
