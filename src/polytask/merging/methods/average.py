"""The mean of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polytask.merging.contract import Contract
from polytask.merging.kinds import Weights
from polytask.merging.method import WeightMethod
from polytask.merging.place import Place

__all__ = ["Average"]


@dataclass(frozen=True, kw_only=True)
class Average(WeightMethod):
    """The mean of the weights: sum_k theta_k / K.

    It is computed as a running mean, so that the mean of equal models is that model, bit for bit.

    Source: Wortsman et al., "Model soups", 2022 (the uniform soup).
    """

    contract: ClassVar[Contract] = Contract(needs_base=False, invariants=frozenset({"identical"}))

    def combine(self, models: Sequence[Weights], at: Place) -> Weights:
        mean = models[0].values.clone()
        for count, model in enumerate(models[1:], start=2):
            mean.lerp_(model.values, 1 / count)
        return Weights(mean)
