"""Inner products of gradients of independent batches.

Shapes: K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from polytask.balance.engine.rows import gramian_of
from polytask.balance.engine.step import Step

__all__ = ["cross_gramians"]


def cross_gramians(step: Step, batches: Sequence[Mapping[str, Tensor]]) -> list[Tensor]:
    """``[K, K]`` inner products of two batches for each group, float64 on the CPU.

    Row k, column l is that of task k in the first batch and task l in the second. The expectation
    is the Gramian of the expected gradients; that of a Gramian of one batch has the variance of the
    gradients on its diagonal too.

    Args:
        step: that they are for.
        batches: task -> scalar, of this process; two.
    """
    rows = []
    for losses in batches:
        gradients = step.gradients(factored=False)
        gradients.add(losses)
        for group in gradients.groups:
            group.combine(step.processes)
        rows.append([group.rows for group in gradients.groups])
    products = [gramian_of(*pair) for pair in zip(*rows, strict=True)]
    return [step.over_shards(found).cpu() / step.scale**2 for found in products]
