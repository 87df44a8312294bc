"""A place between models, found on a few labelled examples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polytask.merging.learning.changes import Changes
from polytask.merging.learning.checks import check_count, check_number, check_positive
from polytask.merging.learning.experts import Experts
from polytask.merging.learning.learned import Learned
from polytask.merging.learning.training import Loss, learn

__all__ = ["self_positioning"]


def self_positioning(
    experts: Experts,
    loss: Loss,
    *,
    start: float = 1.0,
    steps: int = 100,
    rate: float = 0.1,
) -> Learned:
    """Learn how much each task vector counts, and how far to go (Self Positioning).

    theta_0 + lambda sum_k a_k tau_k, where the shares a_k are positive and sum to 1. Gradient steps
    on a small balanced set of probes lower the sum of the losses of its tasks, with all weights of
    the models frozen. The shares are equal before the first step.

    Source: Li et al., "Improving General Text Embedding Model: Tackling Task Conflict and Data
    Imbalance through Model Merging", 2024. The shares are a softmax of what is learned; number and
    size of the steps are ours.

    Args:
        experts: the models, and batches of probes; their tasks need not be those of the models.
        loss: ``loss(outputs, task, batch)``, a number for the whole batch: in the paper the
            contrastive loss that the models were trained with.
        start: lambda before the first step.
        steps: of stochastic gradient descent.
        rate: of learning.

    Raises:
        InputError: an option is out of its range, there are no batches, no model differs from the
            base, or a loss or a number of the result is not finite.
    """
    check_count("steps", steps)
    check_positive("rate", rate)
    check_number("start", start)
    changes = Changes(experts)
    logits = nn.Parameter(torch.zeros(len(changes.tasks), device=changes.device))
    scale = nn.Parameter(torch.tensor(float(start), device=changes.device))

    def direction(name: str) -> Tensor:
        return changes.scaled(name, scale * logits.softmax(0))

    optimizer = torch.optim.SGD([logits, scale], lr=rate)
    losses = learn(experts, lambda: changes.merged(direction), loss, optimizer, steps=steps)
    factors = (scale * logits.softmax(0)).tolist()
    table = {task: {"": round(f, 6)} for task, f in zip(changes.tasks, factors, strict=True)}
    return Learned(changes.finished(direction), table, losses)
