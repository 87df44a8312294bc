"""One layer for each task in a merged model, learned from what experts say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from polytask.errors import unknown
from polytask.merging.learning.changes import Changes, detached
from polytask.merging.learning.checks import check_count, check_positive
from polytask.merging.learning.coefficients import Coefficients
from polytask.merging.learning.experts import Experts
from polytask.merging.learning.imitation import Rows, imitation
from polytask.merging.learning.own_layers import OwnLayers
from polytask.merging.learning.tinted import Tinted
from polytask.merging.learning.training import learn

__all__ = ["tinting"]


def tinting(
    experts: Experts,
    layers: str | Mapping[str, str],
    *,
    rows: Rows = "confident",
    start: float = 0.3,
    steps: int = 500,
    rate: float = 1e-2,
) -> Tinted:
    """Merge with a coefficient for each tensor, and one layer that each task has for itself.

    theta_0 + sum_k lambda_k tau_k (Model Tinting): lambda_k between 0 and 1, as in `adamerging`,
    and the layers learn together. Adam lowers the sum over tasks of the cross-entropy to the
    classes that the expert of the task says on unlabelled batches.

    Source: Jung et al., "Why Train Everything? Tint a Single Layer for Multi-task Model Merging",
    2025; defaults, bounds, and batches of 32 of each task are those of the authors' code, where
    ``rows="all"`` is Model Tinting and ``"confident"`` is Model Tinting++. There the layer is the
    head, which finetuning left alone, so that merged model and expert start with the same; here
    any layer starts from the merged model. There Adam steps after every task, in a random order,
    here on the sum of all.

    Args:
        experts: the models, and unlabelled batches of each task; ``outputs`` returns logits
            ``[..., classes]``.
        layers: name of a module of ``experts.model``, or task -> the name of its own. The
            parameters of the module, not its buffers, are those of the task alone.
        rows: that count: ``confident``, where the expert says what the merged model says or is at
            least as sure of another class, or ``all``.
        start: of the coefficients, in [0, 1].
        steps: of Adam.
        rate: of learning.

    Raises:
        InputError: an option is out of its range, there are no batches, a module does not exist or
            has no parameters, or outputs are no logits.

    Example:
        >>> from torch import nn
        >>> from polytask import merging
        >>> base, tuned = ({"0.weight": value * torch.eye(2)} for value in (1.0, 3.0))
        >>> experts = merging.Experts(
        ...     model=nn.Sequential(nn.Linear(2, 2, bias=False)),
        ...     base=base,
        ...     models={"task": tuned},
        ...     batches={"task": [torch.eye(2)]},
        ...     outputs=lambda model, task, batch: model(batch),
        ... )
        >>> tinted = merging.tinting(experts, "0", steps=1)
        >>> tinted.shared["0.weight"].diagonal()
        tensor([1.6000, 1.6000])
        >>> tinted.state("task")["0.weight"].diagonal()
        tensor([1.6100, 1.6100])
    """
    check_count("steps", steps)
    check_positive("rate", rate)
    if rows not in ("confident", "all"):
        raise unknown("rows", rows, ("confident", "all"))
    experts.check_paired()
    changes = Changes(experts)
    factors = Coefficients(changes, each="tensor", start=start, bounds=(0.0, 1.0))

    def direction(name: str) -> Tensor:
        return changes.scaled(name, factors.of(name))

    def merged() -> dict[str, Tensor]:
        return changes.merged(direction)

    def loss(outputs: Tensor, task: str, batch: Any) -> Tensor:
        return imitation(outputs, experts.expert_outputs(task, batch), task, rows=rows)

    own = OwnLayers(experts, layers, detached(merged()))
    optimizer = torch.optim.Adam([*factors.parameters(), *own.parameters()], lr=rate)
    losses = learn(experts, merged, loss, optimizer, steps=steps, own=own.of)
    return Tinted(changes.finished(direction), own.states(), own.shares(), factors.table(), losses)
