"""A small multi-task model and its steps, for contract tests of balancers.

Shapes: B examples, D inputs, F shared features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polytask.balance import Balanced, Balancer, Cost, TaskContext, backward

__all__ = ["NAMES", "Problem"]

NAMES = ("north", "east", "south", "west")
EXAMPLES, INPUTS, FEATURES = 16, 5, 6


class Problem(nn.Module):
    """Four regressions of one trunk whose gradients conflict and differ in length.

    Args:
        dtype: of parameters and data.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.batches = 0
        self.trunk = nn.Sequential(nn.Linear(INPUTS, FEATURES), nn.Tanh(), nn.Linear(FEATURES, 4))
        self.heads = nn.ModuleDict({name: nn.Linear(4, 1) for name in NAMES})
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5, generator=generator)
        self.to(dtype)

    def batch(self) -> tuple[Tensor, dict[str, Tensor]]:
        """New inputs ``[B, D]`` and a target ``[B, 1]`` per task."""
        self.batches += 1
        generator = torch.Generator().manual_seed(self.batches)
        inputs = torch.randn(EXAMPLES, INPUTS, generator=generator).to(next(self.parameters()))
        first, second = inputs[:, :1], inputs[:, 1:2]
        return inputs, {"north": first, "south": -3 * first, "east": second, "west": first - second}

    def losses(self, names: Sequence[str] = NAMES) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of a new batch, and the shared features ``[B, F]``."""
        inputs, targets = self.batch()
        features = self.trunk(inputs)
        errors = {name: self.heads[name](features) - targets[name] for name in names}
        return {name: error.square().mean() for name, error in errors.items()}, features

    def context(self) -> dict[str, TaskContext]:
        """What a loss weighting may know of the tasks."""
        return {
            name: TaskContext(kind="classification", classes=3 + index, examples=EXAMPLES)
            for index, name in enumerate(NAMES)
        }

    def differentiate(
        self,
        balancer: Balancer,
        losses: Mapping[str, Tensor],
        features: Tensor,
        *,
        cost: Cost = "exact",
        **options: Any,
    ) -> Balanced:
        """Fill ``.grad`` with a balanced update."""
        self.zero_grad()
        if balancer.independent:
            options["independent"] = [self.losses(tuple(losses))[0] for _ in range(2)]
        places: dict[str, Any] = {
            "exact": {},
            "features": {"features": features},
            "last_block": {"last_block": self.trunk[2].parameters()},
        }
        return backward(
            losses,
            balancer,
            shared=self.trunk.parameters(),
            cost=cost,
            context=self.context(),
            **places[cost],
            **options,
        )

    def train_on(self, balancer: Balancer, steps: int, *, names: Sequence[str] = NAMES) -> None:
        """Plain gradient steps of new batches; the balancer sees their losses as validation's."""
        optimiser = torch.optim.SGD(self.parameters(), lr=0.01)
        for _ in range(steps):
            losses, features = self.losses(names)
            balancer.observe({name: float(loss.detach()) for name, loss in losses.items()})
            self.differentiate(balancer, losses, features)
            optimiser.step()

    def gradients(self) -> dict[str, Tensor]:
        """Parameter -> its ``.grad``; without those that have none."""
        return {n: p.grad.clone() for n, p in self.named_parameters() if p.grad is not None}
