"""Conditioned one-shot multi-objective search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from polytask.balance.balancer import Losses, LossWeighting
from polytask.balance.context import TaskContext
from polytask.balance.task_values import check_numbers, reciprocal, stacked
from polytask.errors import InputError

__all__ = ["COSMOS"]


@dataclass(kw_only=True, eq=False)
class COSMOS(LossWeighting):
    """Trains one model for every trade-off between the tasks: the trade-off is one of its inputs.

    At every step a preference r is drawn of a Dirichlet distribution, `preference`; the model gets
    it beside its input and learns ``sum_k r_k L_k - closeness cos(r, L)``. The cosine keeps the
    losses in the direction of r, so that different preferences lead to different models. The
    weights are the derivative of this total, ``r_k - closeness (r_k / (|r| |L|) - cos(r, L) L_k /
    |L|^2)``; a task whose loss is too high for its preference may get a negative one. Afterwards
    any preference gives predictions without more training.

    Source: Ruchte and Grabocka, "Scalable Pareto Front Approximation for Deep Multi-Objective
    Learning", 2021, equations 5 and 6; the defaults are those of the released code. How the model
    takes r is its own affair: beside the columns of a table, or as more channels of a picture.

    Args:
        concentration: alpha of the Dirichlet distribution, positive; 1 draws all preferences alike,
            more of it favours equal ones.
        concentrations: task -> its own, in place of ``concentration``.
        closeness: lambda of the paper, not negative.
        seed: of the draws; a task's depends on it, on the number of the step and on its name alone.

    Raises:
        InputError: an option out of range.

    Example:
        >>> cosmos = COSMOS()
        >>> preference = cosmos.preference(["price", "sold"])
        >>> round(float(preference.sum()), 6)
        1.0
    """

    concentration: float = 1.2
    concentrations: Mapping[str, float] | None = None
    closeness: float = 2.0
    seed: int = 0

    own_loop = "its preference is an input of the model"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.concentration > 0 and self.closeness >= 0):
            raise InputError(
                "cosmos: concentration must be positive and closeness not negative, got "
                f"{self.concentration} and {self.closeness}"
            )
        check_numbers("concentrations", self.concentrations, least="above zero")

    def preference(self, tasks: Iterable[str]) -> Tensor:
        """``[K]`` the preference of the next step, float64; the same until that step was taken.

        Args:
            tasks: those that the step will have losses of, in any order.
        """
        drawn = torch.tensor([self._draw(name) for name in tasks], dtype=torch.float64)
        return drawn / drawn.sum()

    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        r, values = self.preference(losses), stacked(losses)
        scale = reciprocal(r.norm() * values.norm())
        cosine = scale * (r @ values)
        return r - self.closeness * (scale * r - cosine * values * reciprocal(values @ values))

    def _draw(self, name: str) -> float:
        """A draw of a Gamma distribution: such draws divided by their sum are of Dirichlet's."""
        alpha = (self.concentrations or {}).get(name, self.concentration)
        return Random(f"{self.seed} {int(self.steps)} {name}").gammavariate(alpha, 1.0)
