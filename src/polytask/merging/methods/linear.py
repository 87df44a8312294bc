"""A weighted sum of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polytask.merging.contract import Contract
from polytask.merging.methods.total import total_of
from polytask.merging.place import Place
from polytask.merging.settings import PerModel, check_finite, check_switches, for_models
from polytask.merging.weighted import WeightedMethod

__all__ = ["Linear"]


@dataclass(frozen=True, kw_only=True)
class Linear(WeightedMethod):
    """A weighted sum of the weights: sum_k w_k theta_k, divided by sum_k w_k if normalised.

    Source: Wortsman et al., "Model soups", 2022.

    Args:
        weights: w_k; any finite numbers.
        normalise: divide by the sum of the weights.

    Raises:
        InputError: a weight is not finite, or the weights to normalise by add up to 0.
    """

    contract: ClassVar[Contract] = Contract(needs_base=False)

    weights: PerModel = 1.0
    normalise: bool = True

    def __post_init__(self) -> None:
        check_finite("weights", self.weights)
        check_switches(normalise=self.normalise)

    def factors(self, at: Place) -> Sequence[float]:
        weights = for_models(self.weights, at)
        if not self.normalise:
            return weights
        total = total_of(weights, at)
        return [weight / total for weight in weights]
