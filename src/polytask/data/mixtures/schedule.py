"""A mixture that changes from phase to phase of the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from polytask.data.mixtures.base import Mixture, Probabilities
from polytask.data.mixtures.by_size import Proportional
from polytask.data.mixtures.fixed import Fixed
from polytask.errors import InputError

__all__ = ["Phase", "Schedule"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training with data sets or tasks of its own.

    Args:
        until: the first step that no longer belongs to the phase; None for the last phase.
        weights: data set -> weight; only these are drawn. All of them, proportional to their
            size, by default.
        tasks: the tasks that learn in the phase: a list, or task -> factor of its loss. All of
            them by default.

    Raises:
        InputError: a factor of a task is negative or not finite, or no task learns.
    """

    until: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    tasks: Sequence[str] | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        factors = self.factors
        if factors is None:
            return
        if not all(math.isfinite(factor) and factor >= 0 for factor in factors.values()):
            raise InputError(
                f"mixture schedule: the factors of tasks must be finite and not negative, "
                f"got {factors}"
            )
        if not self.learning:
            raise InputError("mixture schedule: a phase in which no task learns; leave out 'tasks'")

    @property
    def factors(self) -> dict[str, float] | None:
        """Task -> factor of its loss, as given."""
        if self.tasks is None:
            return None
        if isinstance(self.tasks, Mapping):
            return {name: float(factor) for name, factor in self.tasks.items()}
        return dict.fromkeys(self.tasks, 1.0)

    @property
    def learning(self) -> dict[str, float] | None:
        """Task -> factor of its loss where that is positive; None for all tasks."""
        factors = self.factors
        return factors and {name: factor for name, factor in factors.items() if factor > 0}


@dataclass(frozen=True, kw_only=True)
class Schedule(Mixture):
    """Data sets, tasks or their weights that change from phase to phase.

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
        mixture = Fixed(weights=phase.weights) if phase.weights else Proportional()
        return replace(mixture.at(step, sizes), until=phase.until, tasks=phase.learning)

    def drawn(self, sizes: Mapping[str, int]) -> frozenset[str]:
        """The data sets that any phase draws."""
        starts = [0, *(phase.until for phase in self.phases if phase.until is not None)]
        return frozenset().union(*(self.at(step, sizes).drawn for step in starts))

    def task_sets(self) -> Sequence[Mapping[str, float]]:
        return [phase.learning for phase in self.phases if phase.learning is not None]
