"""Mixtures that the user spells out: weights, rotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from polytask.data.mixtures.base import Mixture, Probabilities, normalised
from polytask.errors import unknown

__all__ = ["Fixed", "RoundRobin"]


@dataclass(frozen=True, kw_only=True)
class Fixed(Mixture):
    """Weights that the user gives; a data set without one is not drawn.

    Args:
        weights: data set -> weight.

    Raises:
        InputError: a weight for a data set that does not exist.
    """

    weights: Mapping[str, float]

    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        for name in self.weights:
            if name not in sizes:
                raise unknown("data set", name, sizes, where="mixture weights")
        return normalised(sizes, np.array([float(self.weights.get(name, 0)) for name in sizes]))


@dataclass(frozen=True, kw_only=True)
class RoundRobin(Mixture):
    """One data set after the other, in the order of the recipe."""

    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        return replace(normalised(sizes, np.ones(len(sizes))), in_turn=True)
