"""Task vectors as a basis: a factor for every block of every one, under any loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polytask.merging.learning.changes import Changes
from polytask.merging.learning.checks import check_count, check_number, check_positive
from polytask.merging.learning.experts import Experts
from polytask.merging.learning.learned import Learned
from polytask.merging.learning.training import Loss, learn

__all__ = ["atlas"]


def atlas(
    experts: Experts,
    loss: Loss,
    *,
    parts: int = 1,
    steps: int = 300,
    rate: float = 0.1,
    decay: float = 0.1,
    seed: int = 0,
) -> Learned:
    """Move the base within what task vectors span, block by block (aTLAS).

    theta_0 + sum_k Lambda_k tau_k, with a factor for each tensor of each task vector, or for each
    of several random parts of it. All factors are 0 before AdamW lowers the sum, over the tasks of
    ``experts.batches``, of a loss: with a few labels, with none (`entropy`), or a negative loss
    that makes the model forget. These tasks need not be those of the task vectors.

    Source: Zhang et al., "Knowledge Composition using Task Vectors with Learned Anisotropic
    Scaling", 2024. Rate, decay, a cosine from the rate to 0 and gradients of norm 1 at most are
    those of the authors' code for a few labels, the number of steps is ours. It draws one partition
    for all tensors of a shape, here each tensor has its own; the choice of the most informative
    blocks is not built.

    Args:
        experts: the task vectors, and batches of the tasks that the result is for.
        loss: ``loss(outputs, task, batch)``, a number for the whole batch.
        parts: of each tensor, each with a factor of its own ("aTLAS x K" in the paper).
        steps: of AdamW.
        rate: of learning, in the first step.
        decay: of the factors to 0, times the rate, in each step.
        seed: of the parts.

    Raises:
        InputError: an option is out of its range, there are no batches, no model differs from the
            base, or a loss or a number of the result is not finite.
    """
    check_count("steps", steps)
    check_positive("rate", rate)
    check_number("decay", decay, least=0)
    check_count("parts", parts, least=1)
    changes = Changes(experts)
    blocks = _Blocks(changes, parts, seed)

    optimizer = torch.optim.AdamW([blocks.factors], lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    losses = learn(
        experts,
        lambda: changes.merged(blocks.direction),
        loss,
        optimizer,
        steps=steps,
        largest=1.0,
        schedule=schedule,
    )
    return Learned(changes.finished(blocks.direction), blocks.table(), losses)


class _Blocks:
    """A factor for each part of each tensor of each task vector.

    Attributes:
        factors: ``[K, tensors, parts]``
    """

    def __init__(self, changes: Changes, parts: int, seed: int) -> None:
        self._changes, self._parts = changes, parts
        self._rows = {name: row for row, name in enumerate(changes.stacked)}
        generator = torch.Generator().manual_seed(seed)
        self._parted = {
            name: torch.randint(parts, base.shape, generator=generator).to(base.device)
            for name, base in changes.base.items()
            if parts > 1
        }
        size = (len(changes.tasks), len(self._rows), parts)
        self.factors = nn.Parameter(torch.zeros(size, device=changes.device))

    def direction(self, name: str) -> Tensor:
        """What is added to a tensor of the base."""
        factors = self.factors[:, self._rows[name]]
        if self._parts == 1:
            return self._changes.scaled(name, factors[:, 0])
        stacked, where = self._changes.stacked[name], self._parted[name]
        direction = torch.zeros_like(stacked[0])
        for change, of_parts in zip(stacked, factors.to(stacked), strict=True):
            direction = direction + change * of_parts[where]
        return direction

    def table(self) -> dict[str, dict[str, float]]:
        """Task -> tensor, with the number of the part if there are several -> factor."""
        values = self.factors.detach().tolist()
        return {
            task: {
                f"{name}[{part}]" if self._parts > 1 else name: round(rows[row][part], 6)
                for name, row in self._rows.items()
                for part in range(self._parts)
            }
            for task, rows in zip(self._changes.tasks, values, strict=True)
        }
