"""Mixtures that look at the sizes of the data sets.

All but `Uniform` set the share of examples that each data set contributes; how often it is drawn
follows from the size of its batches. `Uniform` draws each equally often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polytask.data.mixtures.base import Mixture, Probabilities, normalised
from polytask.errors import InputError

__all__ = ["Power", "Proportional", "Temperature", "Uniform"]


@dataclass(frozen=True, kw_only=True)
class Uniform(Mixture):
    """Every data set with the same probability."""

    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        return normalised(sizes, np.ones(len(sizes)))


@dataclass(frozen=True, kw_only=True)
class Proportional(Mixture):
    """Proportional to the number of examples, at most ``cap`` of them (examples-proportional).

    Source: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
    Transformer", 2020, section 3.5.2.

    Args:
        cap: number of examples above which a data set counts as if it had just these; none by
            default.

    Raises:
        InputError: a cap below 1.
    """

    cap: int | None = None

    def __post_init__(self) -> None:
        _check_cap("proportional", self.cap)

    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        return normalised(sizes, _capped(sizes, self.cap), of_examples=True)


@dataclass(frozen=True, kw_only=True)
class Temperature(Mixture):
    """(Capped size) to the power of 1 / T: 1 is proportional, a large T nears uniform.

    Source: as `Proportional`.

    Args:
        temperature: T, at least 1.
        cap: as in `Proportional`.

    Raises:
        InputError: T or the cap is below 1.
    """

    temperature: float = 2.0
    cap: int | None = None

    def __post_init__(self) -> None:
        if not self.temperature >= 1:
            raise InputError(f"mixture temperature: T must be at least 1, got {self.temperature}")
        _check_cap("temperature", self.cap)

    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        weights = _capped(sizes, self.cap) ** (1 / self.temperature)
        return normalised(sizes, weights, of_examples=True)


@dataclass(frozen=True, kw_only=True)
class Power(Mixture):
    """Size to the power of alpha: 0 is uniform, 1 is proportional, 0.5 the square root.

    Args:
        alpha: the exponent; any finite number.

    Raises:
        InputError: alpha is not finite.
    """

    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not math.isfinite(self.alpha):
            raise InputError(f"mixture power: alpha must be finite, got {self.alpha}")

    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        return normalised(sizes, _capped(sizes, None) ** self.alpha, of_examples=True)


def _check_cap(name: str, cap: int | None) -> None:
    if cap is not None and cap < 1:
        raise InputError(f"mixture {name}: cap must be at least 1, got {cap}")


def _capped(sizes: Mapping[str, int], cap: int | None) -> np.ndarray:
    counts = np.array(list(sizes.values()), dtype=np.float64)
    return counts if cap is None else np.minimum(counts, cap)
