"""Drop changes at random, rescale the rest, and merge what agrees in sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polytask.merging.contract import Contract
from polytask.merging.kinds import Delta, Weights
from polytask.merging.method import DeltaMethod
from polytask.merging.methods.drop import chosen
from polytask.merging.methods.sums import agreeing
from polytask.merging.place import Place
from polytask.merging.settings import (
    PerModel,
    check_not_negative,
    check_shares,
    check_switches,
    for_models,
)

__all__ = ["DARETIES"]


@dataclass(frozen=True, kw_only=True)
class DARETIES(DeltaMethod):
    """Drop elements of task vectors at random, rescale the rest, and average what agrees in sign.

    As `TIES`, with the random choice of `DARELinear` in the place of the trim.

    Source: Yu et al., "Language Models are Super Mario", 2024. Their code also trims to the
    largest 20%, which changes nothing where less than that is kept. mergekit adds up what agrees.

    Args:
        density: share that is kept, in (0, 1]; 0.1 in the paper.
        weights: w_k, not negative.
        normalise: average what agrees; otherwise add it up.
        rescale: divide what is kept by the density, as in the paper.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=True, random=True, invariants=frozenset({"single", "zero"})
    )

    density: PerModel = 0.1
    weights: PerModel = 1.0
    normalise: bool = True
    rescale: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares("density", self.density)
        check_not_negative("weights", self.weights)
        check_switches(normalise=self.normalise, rescale=self.rescale)

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        densities, weights = for_models(self.density, at), for_models(self.weights, at)
        values = (
            delta.values * chosen(delta.values, density, at, model)
            for model, (delta, density) in enumerate(zip(deltas, densities, strict=True))
        )
        factors = [1 / density if self.rescale else 1.0 for density in densities]
        return Delta(agreeing(values, weights, factors=factors, mean=self.normalise))
