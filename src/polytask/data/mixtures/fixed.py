"""Mixtures that the user spells out: weights, rotation, phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from polytask.data.mixtures.base import Mixture, Probabilities, normalised
from polytask.errors import InputError, unknown

__all__ = ["Fixed", "Phase", "RoundRobin", "Schedule"]


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


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training with weights of its own.

    Args:
        until: the first step that no longer belongs to the phase; None for the last phase.
        weights: data set -> weight; only these are drawn.
    """

    until: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Schedule(Mixture):
    """Fixed weights that change from phase to phase.

    Args:
        phases: in order; all but the last say until which step they hold.

    Raises:
        InputError: the ends of the phases do not rise, or the last phase ends.
    """

    phases: Sequence[Phase]

    def __post_init__(self) -> None:
        ends = [phase.until for phase in self.phases]
        if not ends or ends[-1] is not None or None in ends[:-1]:
            raise InputError(
                "mixture schedule: every phase but the last needs 'until', the last must have none"
            )
        steps = [end for end in ends if end is not None]
        if any(later <= earlier for earlier, later in zip([0, *steps], steps, strict=False)):
            raise InputError(
                f"mixture schedule: 'until' must rise from phase to phase, got {steps}"
            )

    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        phase = next(p for p in self.phases if p.until is None or step < p.until)
        return replace(Fixed(weights=phase.weights).at(step, sizes), until=phase.until)

    def drawn(self, sizes: Mapping[str, int]) -> frozenset[str]:
        """The data sets that any phase draws."""
        starts = [0, *(phase.until for phase in self.phases if phase.until is not None)]
        return frozenset().union(*(self.at(step, sizes).drawn for step in starts))
