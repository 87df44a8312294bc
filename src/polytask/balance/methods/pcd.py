"""Priority-constrained descent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polytask.balance.balancer import GramianWeighting, Losses
from polytask.balance.cosines import normalised
from polytask.balance.solvers.bounded import nonnegative
from polytask.balance.solvers.simplex import min_norm
from polytask.balance.task_state import TaskState
from polytask.balance.task_values import reciprocal
from polytask.errors import InputError, unknown

__all__ = ["PCD"]

OPPOSITE = 1e-10
"""Squared length of a mean of unit gradients: below it, no step helps all of them."""
CANCELLED = 1e-7
"""Length of d relative to its parts: below it, d is rounding."""


@dataclass(kw_only=True, eq=False)
class PCD(GramianWeighting):
    """Follows one task as closely as possible, while every other one makes a little progress.

    Each gradient is divided by the root of the moving average of its squared length:
    ``h_k = g_k / sqrt(v_k)``. Then ``d`` minimises ``|d - h_1|`` for the primary task, subject to
    ``<d, h_j> >= tau |h_j|^2`` for each other task, and gets the length of ``g_1``. If no d does
    this, d is ``g_1``.

    Source: "Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical
    Multi-Objective Optimization", 2026, arXiv 2606.29521, as torchjd 0.18 has it. There 1e-8 is
    added to v; without that, nothing depends on the scale of a gradient.

    Args:
        primary: the task that is followed; every step must carry it.
        tau: progress of the others, as a share of what a step along their own gradient gives.
        beta: decay of the moving averages, which are corrected for their start at 0.

    Raises:
        InputError: tau is not from 0 to 1, beta not from 0 to below 1, priorities, which `primary`
            takes the place of, or a step without the primary task.
    """

    primary: str
    tau: float = 0.02
    beta: float = 0.999
    squares: TaskState = field(init=False, repr=False)
    """Task -> ``[2]`` moving average of the squared length, and the number of steps in it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.tau <= 1 and 0 <= self.beta < 1):
            raise InputError(
                f"pcd: tau must be from 0 to 1 and beta from 0 to below 1, got {self.tau} and "
                f"{self.beta}"
            )
        if self.priorities:
            raise InputError("pcd: `primary` says what comes first; leave priorities out")
        self.squares = TaskState()

    def named_tasks(self) -> Mapping[str, Sequence[str]]:
        return {"primary": (self.primary,)}

    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        names = list(losses)
        if self.primary not in names:
            raise unknown("primary task", self.primary, names, where="pcd")
        norms, cosines = normalised(gramian)
        usual = self._usual_lengths(names, gramian.diagonal())
        lengths = norms * reciprocal(usual)
        units = self._direction(cosines, lengths, names.index(self.primary))
        length = (units @ cosines @ units).clamp(min=0).sqrt()
        if length <= CANCELLED * units.abs().sum():
            return torch.zeros_like(units)
        return units * reciprocal(norms) * norms[names.index(self.primary)] / length

    def _direction(self, cosines: Tensor, lengths: Tensor, first: int) -> Tensor:
        """``[K]`` weights of the unit gradients in d."""
        others = lengths > 0
        others[first] = False
        units = torch.zeros_like(lengths).index_fill_(
            0, torch.tensor([first]), float(lengths[first])
        )
        among = cosines[others][:, others]
        if others.any() and self._compatible(among):
            short = self.tau * lengths[others] - lengths[first] * cosines[others, first]
            found = nonnegative(among.numpy(), short[None].numpy())
            units[others] = torch.from_numpy(found[0])
        return units

    def _compatible(self, cosines: Tensor) -> bool:
        """Whether one step can help all of these unit gradients."""
        shares = min_norm(cosines)
        return self.tau == 0 or bool(shares @ cosines @ shares > OPPOSITE)

    def _usual_lengths(self, names: list[str], squares: Tensor) -> Tensor:
        """``[K]`` roots of the moving averages, which this step joins."""
        mean, steps = self.squares.get(names, torch.zeros(2)).unbind(1)
        mean, steps = torch.lerp(squares, mean, self.beta), steps + 1
        self.squares.put(names, torch.stack([mean, steps], dim=1))
        usual: Tensor = (mean / (1 - self.beta**steps)).sqrt()
        return usual
