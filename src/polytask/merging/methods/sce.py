"""Select what varies, weigh models by its size, erase minority signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from polytask.merging.contract import Contract
from polytask.merging.engine.gramian import block_sums, total
from polytask.merging.engine.joint_population import JointPopulation
from polytask.merging.engine.selection import kth_magnitudes
from polytask.merging.engine.survey import TensorPopulation
from polytask.merging.kinds import Delta, Weights
from polytask.merging.method import DeltaMethod, Scope
from polytask.merging.methods.trim import count_of
from polytask.merging.place import Place
from polytask.merging.population import Population
from polytask.merging.settings import Setting, check_shares, check_switches, for_tensor

__all__ = ["SCE", "Selection"]


class Selection(NamedTuple):
    """What is selected of a tensor.

    Args:
        least: the smallest variance that is selected.
        shares: of each model, float64 ``[models]``; they add up to 1.
    """

    least: float
    shares: Tensor


@dataclass(frozen=True, kw_only=True)
class SCE(DeltaMethod):
    """Select the elements that vary most, weigh models by the size of these, erase minority signs.

    1. Select: of each tensor the share ``density`` of the elements whose changes have the largest
       variance over the models.
    2. Calculate: the weight of a model in a tensor, sum tau_k^2 / sum_j sum tau_j^2 over what was
       selected.
    3. Erase: what does not have the sign of sum_k tau_k, per element; add up the rest.

    Source: Wan et al., "FuseChat: Knowledge Fusion of Chat Models", 2024. mergekit, where the
    authors put their code, divides the sum of step 3 by the weights of what agrees
    (``normalise=True``), and its share is one of the elements that vary at all. Their own code
    before that does so, too, but uses the selection for the weights of step 2 alone. Where the sum
    of signs is exactly 0 the base stays; mergekit takes plus. Variances equal to the smallest
    selected one are all selected.

    Args:
        density: share that is selected, in (0, 1]; 0.1 as in the authors' configuration.
        normalise: divide by the weights of what agrees.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=True, invariants=frozenset({"single", "zero"})
    )

    density: Setting = 0.1
    normalise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares("density", self.density)
        check_switches(normalise=self.normalise)

    @property
    def scope(self) -> Scope:
        return "tensor"

    def survey(self, population: Population) -> Selection:
        """The smallest variance that is selected, and the weights of the models."""
        assert isinstance(population, TensorPopulation)
        density, length = for_tensor(self.density, population.at), population.length
        variances = JointPopulation(
            population, lambda *piece: _variance(torch.stack([*population.values(*piece)]))
        )
        least = 0.0
        if density < 1:
            ((least,),) = kth_magnitudes(variances, [[count_of(density, length)]])
        squares = total(torch.cat(population.map(partial(_squares, least)), dim=-1))
        if not squares.detach().sum() > 0:
            return Selection(least, torch.full_like(squares, 1 / len(squares)))
        return Selection(least, squares / squares.sum())

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        values = _selected([delta.values for delta in deltas], at.found.least)
        sign = values.detach().sum(0).sign()
        agreed = (values * sign).relu()
        shares = at.found.shares.to(sign)[:, None]
        merged = (shares * agreed).sum(0)
        if self.normalise:
            divisor = (shares * agreed.detach().sign()).sum(0)
            merged = merged / torch.where(divisor == 0, 1.0, divisor)
        return Delta(merged * sign)


def _variance(values: Tensor) -> Tensor:
    """Of each element over the models; values are ``[models, elements]``."""
    return (values.detach() - values.detach().mean(0)).square().mean(0)


def _selected(values: Sequence[Tensor], least: float) -> Tensor:
    """The values where their variance is at least a number; others become 0."""
    stacked = torch.stack([*values])
    if least == 0:
        return stacked
    return stacked * (_variance(stacked) >= least)


def _squares(least: float, values: Sequence[Tensor]) -> Tensor:
    """The sums of the squares of what is selected of each model, in blocks."""
    return block_sums(_selected(values, least).double().square())
