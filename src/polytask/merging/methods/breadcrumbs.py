"""Leave out the largest and the smallest changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polytask.errors import InputError
from polytask.merging.contract import Contract
from polytask.merging.kinds import Delta, Weights
from polytask.merging.method import DeltaMethod, Scope
from polytask.merging.methods.sums import weighted_sum
from polytask.merging.methods.trim import at_least, at_most, count_of
from polytask.merging.place import Place
from polytask.merging.population import Population
from polytask.merging.selection import kth_magnitudes
from polytask.merging.settings import PerModel, check_finite, check_shares, for_models

__all__ = ["Breadcrumbs"]


@dataclass(frozen=True, kw_only=True)
class Breadcrumbs(DeltaMethod):
    """Of each tensor's change leave out the outliers and what is negligible, and add up the rest.

    theta_0 + scale sum_k w_k m_k tau_k, where m_k is 0 for the share ``outliers`` of the largest
    magnitudes in a tensor, 1 for the share ``density`` that follows them, and 0 for the rest.

    Source: Davari and Belilovsky, "Model Breadcrumbs", 2023. Their beta is 1 - density - outliers,
    their gamma is 1 - outliers. Where both shares do not fit into a tensor, fewer outliers are left
    out. Values equal to the largest or smallest kept one are all kept.

    Args:
        density: share that is kept, in (0, 1].
        outliers: share of the largest that is left out, in [0, 1).
        weights: w_k; any finite numbers.

    Raises:
        InputError: an option is out of its range, or both shares of a model exceed 1.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=True, invariants=frozenset({"single", "zero"})
    )

    density: PerModel = 0.14
    outliers: PerModel = 0.01
    weights: PerModel = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares("density", self.density)
        check_shares("outliers", self.outliers, zero=True)
        check_finite("weights", self.weights)

    @property
    def scope(self) -> Scope:
        return "tensor"

    def survey(self, population: Population) -> list[tuple[float, ...]]:
        """The smallest and the largest magnitude that is kept of each model."""
        at, length = population.at, population.length
        pairs = zip(for_models(self.density, at), for_models(self.outliers, at), strict=True)
        return list(kth_magnitudes(population, [_ranks(*pair, length) for pair in pairs]))

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        values = (
            at_most(at_least(delta.values, least), most)
            for delta, (least, most) in zip(deltas, at.found, strict=True)
        )
        return Delta(weighted_sum(values, for_models(self.weights, at)))


def _ranks(density: float, outliers: float, length: int) -> tuple[int, int]:
    """The ranks of the smallest and of the largest value that is kept, 1 the largest of all."""
    if density + outliers > 1 and density < 1:
        raise InputError(f"density {density} and outliers {outliers} are more than 1 together")
    count = count_of(density, length)
    left_out = min(int(outliers * length), length - count)
    return left_out + count, left_out + 1
