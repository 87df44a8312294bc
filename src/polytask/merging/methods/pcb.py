"""Weigh every element of a task vector by its size and by how much the others agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.contract import Contract
from polytask.merging.engine.mapped_population import MappedPopulation
from polytask.merging.engine.selection import kth_magnitudes
from polytask.merging.kinds import Delta, Weights
from polytask.merging.method import DeltaMethod, Scope
from polytask.merging.methods.sums import weighted_sum
from polytask.merging.methods.trim import count_of
from polytask.merging.place import Place
from polytask.merging.population import Population
from polytask.merging.settings import PerModel, check_shares, for_models, is_constant

__all__ = ["PCB"]

CLIPPED = 1e-4
"""Share of the largest, and of the smallest, magnitudes that are moved to the next one, as in the
authors' code; but its count of the largest is rounded up where it is no whole number."""

TINY = 1e-12
"""Least sum of weights that is divided by, as in the authors' code."""


class Found(NamedTuple):
    """What holds for one model, over all tensors.

    Args:
        least: magnitudes below it are moved to it.
        most: magnitudes above it are moved to it.
        floor: the score of the least element that is kept; its weight is 0.
        ceiling: the largest score; its weight is 1.
    """

    least: float
    most: float
    floor: float = 0.0
    ceiling: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PCB(DeltaMethod):
    """Average task vectors with weights for each element, by its size and by how much others agree.

    With T models, and all minima and maxima over the whole model:

    1. Intra-balancing: exp(T n_k^2), where n_k is |tau_k|, moved to between 0 and 1.
    2. Inter-balancing: tanh(tau_k sum_j tau_j).
    3. The weight beta_k is the product, of which the share ``density`` with the largest values is
       kept and moved to between 0 and 1. Negative products are not kept.
    4. theta_0 + scale sum_k beta_k tau_k / sum_k beta_k.

    Of |tau_k| the smallest and the largest 0.01% are moved to the next one first.

    Source: Du et al., "Parameter Competition Balancing for Model Merging", 2024, as the authors'
    ``pcb-merging.py`` has it; where 0.01% are no whole number, that moves one more of the largest,
    which matters in small models. The paper has softmax in the place of exp and, over each pair of
    models, of tanh. Their scripts have other variants, with factors for each model that are
    searched on validation data, and 1.2 for ``scale`` otherwise.

    The result has no gradients: thresholds and maxima are numbers.

    Args:
        density: r of the paper, the share that is kept, in (0, 1]; 0.1 in the authors' code. The
            same for every tensor.

    Raises:
        InputError: the density is out of its range, or depends on the tensor.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=True, differentiable=False, invariants=frozenset({"zero"})
    )

    density: PerModel = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares("density", self.density)
        if not is_constant(self.density):
            raise InputError("density: must be the same for every tensor")

    @property
    def scope(self) -> Scope:
        return "model"

    def survey(self, population: Population) -> list[Found]:
        length, models = population.length, population.models
        clipped = int(CLIPPED * length)
        ends = kth_magnitudes(population, [[length - clipped, clipped + 1]] * models)
        if not all(math.isfinite(most) for _, most in ends):
            return [Found(0.0, math.inf)] * models  # the error that names the input follows
        found = [Found(least, most) for least, most in ends]
        scores = MappedPopulation(population, partial(_scores, found))
        densities = for_models(self.density, population.at)
        ranks = kth_magnitudes(scores, [[count_of(density, length), 1] for density in densities])
        return [
            f._replace(floor=low, ceiling=high) for f, (low, high) in zip(found, ranks, strict=True)
        ]

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        found: list[Found] = at.found
        values = [delta.values for delta in deltas]
        weights = [
            _moved(score, f.floor, f.ceiling).clamp_min(0)
            for score, f in zip(_scores(found, values), found, strict=True)
        ]
        clipped = [
            value.sign() * value.abs().clamp(f.least, f.most)
            for value, f in zip(values, found, strict=True)
        ]
        products = (weight * value for weight, value in zip(weights, clipped, strict=True))
        ones = [1.0] * len(values)
        return Delta(weighted_sum(products, ones) / weighted_sum(weights, ones).clamp_min(TINY))


def _scores(found: Sequence[Found], values: Sequence[Tensor]) -> list[Tensor]:
    """The products of step 3, 0 where they are negative."""
    total = weighted_sum(values, [1.0] * len(values))
    scores = []
    for value, f in zip(values, found, strict=True):
        size = _moved(value.abs().clamp(f.least, f.most), f.least, f.most)
        # Less by a factor exp(T) than step 1 says, which cancels in step 3, so that none overflows.
        own = torch.exp(len(values) * (size.square() - 1))
        scores.append((own * torch.tanh(value * total)).relu())
    return scores


def _moved(values: Tensor, least: float, most: float) -> Tensor:
    """Values so that the least becomes 0 and the most becomes 1."""
    return (values - least) / ((most - least) or 1.0)
