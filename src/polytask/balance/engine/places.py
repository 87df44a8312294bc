"""Where gradients are compared, as the cost of a step says.

Shapes: K tasks whose losses a step carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from polytask.balance.engine.checks import Cost
from polytask.balance.engine.cut import is_sharded
from polytask.balance.engine.features import FeatureGradients
from polytask.balance.engine.last_block import LastBlockGradients
from polytask.balance.engine.measured import Measured
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.step import Step
from polytask.errors import InputError

__all__ = ["differentiate_at"]

Places = tuple[Sequence[Measured], Pending]
"""The gradients of each group, and those of tasks' own parameters."""


def differentiate_at(
    cost: Cost,
    step: Step,
    losses: Mapping[str, Tensor],
    *,
    features: Tensor | Sequence[Tensor] | None,
    last_block: Iterable[Tensor] | None,
    retain_graph: bool,
) -> Places:
    """Differentiate the losses for the gradients at that place.

    Args:
        cost: names the place.
        step: that the losses are of.
        losses: task -> scalar, of this process.
        features: the output of the shared part.
        last_block: parameters of the last shared block.
        retain_graph: as in autograd.

    Raises:
        InputError: what the place needs is missing.
    """
    if cost == "exact":
        gradients = step.gradients()
        gradients.add(losses, retain_graph=retain_graph)
        return gradients.groups, gradients.pending
    if cost == "features":
        return _at_features(step, losses, features, retain_graph=retain_graph)
    block = list(last_block or ())
    place = LastBlockGradients(
        losses, step.tasks, block, step.shared, scale=step.scale, retain_graph=retain_graph
    )
    return [place], place.pending


def _at_features(
    step: Step,
    losses: Mapping[str, Tensor],
    features: Tensor | Sequence[Tensor] | None,
    *,
    retain_graph: bool,
) -> Places:
    if features is None:
        raise InputError("cost='features' needs features, the output of the shared part")
    if step.shards is not None and is_sharded(step.own):
        raise InputError(
            "cost='features': the parameters of tasks are under fully_shard; keep them out, or use "
            "cost='exact'"
        )
    place = FeatureGradients(
        losses,
        step.tasks,
        [features] if isinstance(features, Tensor) else list(features),
        step.shared,
        own=step.own,
        scale=step.scale,
        shards=step.shards,
        retain_graph=retain_graph,
    )
    return [place], place.pending
