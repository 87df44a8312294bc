"""The direction of the mean of the models, with the mean of their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from polytask.merging.contract import Contract
from polytask.merging.engine.gramian import cosines, gramian, norms
from polytask.merging.kinds import Delta, Weights
from polytask.merging.method import DeltaMethod, Scope
from polytask.merging.methods.sums import combination
from polytask.merging.methods.total import total_of
from polytask.merging.place import Place
from polytask.merging.population import Population
from polytask.merging.settings import PerModel, check_finite, check_switches, for_models

__all__ = ["MultiSLERP"]

CANCELLED = 1e-8
"""Length of the weighted mean of directions below which it has no direction, as in mergekit."""


@dataclass(frozen=True, kw_only=True)
class MultiSLERP(DeltaMethod):
    """Between several models on a sphere, tensor by tensor: mean direction times mean length.

    With the directions u_k = theta_k / ||theta_k|| and their mean m = sum_k w_k u_k:
    (m / ||m||) sum_k w_k ||theta_k||. Where the directions cancel it is sum_k w_k theta_k. With a
    base all this is done with the task vectors, and the result, times scale, is added to the base.

    Source: Goddard, "Multi-SLERP", in mergekit (no paper). There the directions are projected to
    the tangent space at m, added up and carried back to the sphere; at m their weighted sum is
    exactly 0, so that step changes nothing and is left out. Directions of three or more models that
    cancel are an error there.

    Args:
        weights: w_k; any finite numbers.
        normalise: divide them by their sum.

    Raises:
        InputError: a weight is not finite, or the weights to normalise by add up to 0.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=False, optional_base=True, invariants=frozenset({"identical", "zero"})
    )

    weights: PerModel = 1.0
    normalise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_finite("weights", self.weights)
        check_switches(normalise=self.normalise)

    @property
    def scope(self) -> Scope:
        return "tensor"

    def survey(self, population: Population) -> Tensor:
        """The factors of the models, float64 ``[models]``."""
        products = gramian(population)
        given = for_models(self.weights, population.at)
        weights = products.new_tensor(given)
        if self.normalise:
            weights = weights / total_of(given, population.at)
        lengths = norms(products)
        square = weights @ cosines(products) @ weights
        if not float(square.detach()) > CANCELLED**2:
            return weights
        shares = weights / lengths.masked_fill(lengths == 0, 1.0)
        return shares * (weights @ lengths / square.sqrt())

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        return Delta(combination((delta.values for delta in deltas), at.found))
