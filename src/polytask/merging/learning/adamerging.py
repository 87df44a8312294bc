"""Coefficients that make the merged model sure of what it says."""

from __future__ import annotations

import torch
from torch import Tensor

from polytask.merging.learning.changes import Changes
from polytask.merging.learning.checks import check_count, check_positive
from polytask.merging.learning.coefficients import Coefficients, Each
from polytask.merging.learning.experts import Experts
from polytask.merging.learning.learned import Learned
from polytask.merging.learning.losses import entropy
from polytask.merging.learning.training import Loss, learn
from polytask.merging.learning.trimming import trim

__all__ = ["adamerging"]


def adamerging(
    experts: Experts,
    *,
    each: Each = "tensor",
    density: float | None = None,
    start: float = 0.3,
    steps: int = 500,
    rate: float = 1e-3,
    loss: Loss = entropy,
) -> Learned:
    """Merge with coefficients that make predictions on unlabelled batches certain (AdaMerging).

    theta_0 + sum_k lambda_k tau_k, with one lambda_k for each task, or one for each tensor of each
    task, between 0 and 1. Adam lowers the sum over tasks of the mean entropy of the predictions.
    With a density the task vectors are trimmed and rid of conflicting signs as in TIES before, each
    by itself (AdaMerging++).

    Source: Yang et al., "AdaMerging: Adaptive Model Merging for Multi-Task Learning", 2024; the
    defaults, the bounds and Adam are those of the authors' code. It takes two batches of 16 of each
    task in each step, here one is taken; and they are of the test examples themselves, without
    labels: take others if you compare with methods that see none.

    Args:
        experts: the models, and unlabelled batches of each task.
        each: ``tensor`` (layer-wise in the paper) or ``task`` (task-wise).
        density: share of the elements of each task vector that is kept, in (0, 1]; 0.2 for
            AdaMerging++. None leaves task vectors as they are.
        start: of the coefficients, in [0, 1].
        steps: of Adam.
        rate: of learning.
        loss: other than the entropy, for outputs that are no logits.

    Raises:
        InputError: an option is out of its range, there are no batches, no model differs from the
            base, or a loss or a number of the result is not finite.
    """
    check_count("steps", steps)
    check_positive("rate", rate)
    experts.check_paired()
    changes = Changes(experts)
    if density is not None:
        trim(changes, density)
    factors = Coefficients(changes, each=each, start=start, bounds=(0.0, 1.0))

    def direction(name: str) -> Tensor:
        return changes.scaled(name, factors.of(name))

    optimizer = torch.optim.Adam(factors.parameters(), lr=rate)
    losses = learn(experts, lambda: changes.merged(direction), loss, optimizer, steps=steps)
    return Learned(changes.finished(direction), factors.table(), losses)
