"""From gradients that were measured to an update.

Shapes: K tasks of the step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from polytask.balance.balancer import GradientAggregator, all_finite
from polytask.balance.context import TaskContext
from polytask.balance.engine.measured import Measured
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.step import Step
from polytask.balance.result import Balanced

__all__ = ["update"]


def update(
    step: Step,
    places: Sequence[Measured],
    pending: Pending,
    values: Mapping[str, Tensor],
    context: Mapping[str, TaskContext],
    *,
    diagnose: bool,
) -> Balanced:
    """Find weights or an update, fill in ``.grad`` and end the step.

    Args:
        step: that the gradients are of.
        places: of the gradients; one per group.
        pending: gradients of other parameters.
        values: task -> loss.
        context: as in `polytask.balance.backward`.
        diagnose: find Gramians even if the balancer does not need them.
    """
    for place in places:
        place.combine(step.processes)
    if isinstance(step.balancer, GradientAggregator) and step.needs_gradients(values):
        gramians = [place.gramian(step.processes) for place in places] if diagnose else None
        return step.finish(pending, None, gramians, _aggregate(step, places, values))
    gramians = [place.gramian(step.processes) for place in places]
    weights = step.weights(gramians, values, context)
    weights = [step.processes.agree(found, step.device) for found in weights]
    for place, found in zip(places, weights, strict=True):
        place.apply(found)
    return step.finish(pending, weights, gramians, weights)


def _aggregate(
    step: Step, places: Sequence[Measured], values: Mapping[str, Tensor]
) -> list[Tensor]:
    """Fill in the update of each group; an overflow in one, or in a shard, is one of the step."""
    overflow = False
    if len(places) > 1 or step.shards is not None:
        finite = all_finite(*(place.rows for place in places))
        overflow = not step.processes.everywhere(finite, step.device)
    updates = []
    for balancer, place in zip(step.balancers, places, strict=True):
        rows = place.rows
        if step.scale != 1:
            rows /= step.scale
        aggregator = cast("GradientAggregator", balancer)
        if overflow:  # which all processes know, also those whose shards have no numbers
            found = torch.full_like(rows[0], math.nan)
        else:
            found = aggregator.from_gradients(rows, values, over_shards=step.over_shards)
        if step.scale != 1:
            found *= step.scale
        place.apply_update(found)
        updates.append(found)
    return updates
