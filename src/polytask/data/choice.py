"""Which data sets a step draws.

Shapes: M data sets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from polytask.data.mixtures import Mixture, Probabilities
from polytask.errors import InputError
from polytask.randomness import seeded

__all__ = ["Choice"]

BLOCK = 1024
"""Random numbers are made in blocks of this many steps; any step can be reached directly."""


class Choice:
    """The data sets of any step: a function of the mixture, the seed and the step alone.

    Args:
        mixture: the rule by which data sets are drawn.
        sizes: data set -> number of training examples.
        batches: data set -> number of batches into which they are cut.
        per_step: data sets per step, none twice; fewer where the mixture allows fewer.
        seed: of what is drawn at random.
        tasks: data set -> the tasks that it carries; needed where the mixture chooses tasks.

    Raises:
        InputError: the mixture draws no data set that carries the tasks which it lets learn.
    """

    def __init__(
        self,
        mixture: Mixture,
        sizes: Mapping[str, int],
        batches: Mapping[str, int],
        *,
        per_step: int,
        seed: int,
        tasks: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.mixture, self.sizes, self.per_step, self.seed = mixture, dict(sizes), per_step, seed
        self._tasks = tasks or {}
        self._batches_per_example = np.array([batches[name] / sizes[name] for name in sizes])
        self._enter(0)
        self._block, self._numbers = -1, np.empty(0)

    def at(self, step: int) -> list[str]:
        """The data sets of a step."""
        ended = self._phase.until is not None and step >= self._phase.until
        if ended or step < self._since:
            self._enter(step)
        return [self._phase.names[index] for index in self._indices(step)]

    @property
    def tasks(self) -> Mapping[str, float] | None:
        """The tasks that learn in the step that `at` was last asked for; see `Probabilities`."""
        return self._phase.tasks

    def _enter(self, step: int) -> None:
        """Ask the mixture for the probabilities that hold from a step on."""
        self._phase: Probabilities = self.mixture.at(step, self.sizes)
        self._since = step
        of_examples = self._phase.of_examples
        self._weights = self._phase.values * (self._batches_per_example if of_examples else 1)
        if self._phase.tasks is not None:
            self._weights = self._weights * self._carrying(self._phase.tasks)
        self._cumulative = _cumulative(self._weights)
        self._available = np.flatnonzero(self._weights > 0)

    def _carrying(self, tasks: Mapping[str, float]) -> np.ndarray:
        """``[M]`` whether a data set carries any of these tasks; one that is drawn must."""
        names = self._phase.names
        found = np.array([any(task in self._tasks[name] for task in tasks) for name in names])
        if not (found & (self._weights > 0)).any():
            raise InputError(
                f"mixture: from step {self._since} on, no data set is drawn that carries "
                f"{', '.join(tasks)}"
            )
        return found

    def _indices(self, step: int) -> list[int]:
        count = min(self.per_step, len(self._available))
        if self._phase.in_turn:
            turn = step * count + np.arange(count)
            return sorted(self._available[turn % len(self._available)].tolist())
        if count == len(self._available):
            return self._available.tolist()
        first = _hit(self._cumulative, self._uniform(step))
        return [first] if count == 1 else self._several(first, count, step)

    def _several(self, first: int, count: int, step: int) -> list[int]:
        """``count`` different data sets, each drawn by the probabilities of those that are left."""
        rng = seeded(self.seed, "further", step)
        left, chosen = self._weights.copy(), [first]
        while len(chosen) < count:
            left[chosen[-1]] = 0
            chosen.append(_hit(_cumulative(left), rng.random()))
        return chosen

    def _uniform(self, step: int) -> float:
        """The random number of this step, in [0, 1)."""
        block, offset = divmod(step, BLOCK)
        if self._block != block:
            self._block, self._numbers = block, seeded(self.seed, "mixture", block).random(BLOCK)
        return float(self._numbers[offset])


def _cumulative(weights: np.ndarray) -> np.ndarray:
    """``[M]`` rising to exactly 1, so that a number below 1 never hits what has no weight."""
    sums = weights.cumsum()
    return np.asarray(sums / sums[-1])


def _hit(cumulative: np.ndarray, uniform: float) -> int:
    return int(np.searchsorted(cumulative, uniform, side="right"))
