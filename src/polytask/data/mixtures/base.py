"""Which data set is drawn next: the abstract mixture.

Shapes: M data sets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polytask.errors import InputError

__all__ = ["Mixture", "Probabilities", "normalised"]


@dataclass(frozen=True)
class Probabilities:
    """The probability of each data set during a phase.

    Args:
        names: the data sets.
        values: ``[M]`` their probabilities; they add up to 1.
        until: the first step at which they no longer hold; None for never.
        in_turn: draw in rotation among the data sets of positive probability instead of at random.
        of_examples: the values are shares of examples, not of draws. They differ where batches do:
            a data set whose batches are half as large is then drawn twice as often.
        tasks: the only tasks that learn while these hold, each with a factor of its loss; None for
            all of them. A data set that carries none of them is not drawn.
    """

    names: tuple[str, ...]
    values: np.ndarray
    until: int | None = None
    in_turn: bool = False
    of_examples: bool = False
    tasks: Mapping[str, float] | None = None

    @property
    def drawn(self) -> frozenset[str]:
        """The data sets of positive probability."""
        return frozenset(name for name, p in zip(self.names, self.values, strict=True) if p > 0)


@dataclass(frozen=True, kw_only=True)
class Mixture(ABC):
    """A rule that gives each data set the probability with which it is drawn."""

    @abstractmethod
    def at(self, step: int, sizes: Mapping[str, int]) -> Probabilities:
        """The probabilities that hold at a step.

        Args:
            step: number of the step, from 0.
            sizes: data set -> number of training examples.

        Raises:
            InputError: the mixture names a data set that does not exist.
        """

    def drawn(self, sizes: Mapping[str, int]) -> frozenset[str]:
        """The data sets that are drawn at any step; those of the first step by default.

        Args:
            sizes: as in `at`.
        """
        return self.at(0, sizes).drawn

    def task_sets(self) -> Sequence[Mapping[str, float]]:
        """Every choice of tasks that `at` may give (`Probabilities.tasks`); none by default."""
        return ()


def normalised(
    sizes: Mapping[str, int], weights: np.ndarray, *, of_examples: bool = False
) -> Probabilities:
    """Weights as probabilities.

    Args:
        sizes: data set -> number of training examples.
        weights: ``[M]`` of these data sets.
        of_examples: see `Probabilities`.

    Raises:
        InputError: a weight is negative or all are zero.
    """
    if (weights < 0).any() or not np.isfinite(weights).all() or weights.sum() <= 0:
        raise InputError(
            f"mixture: weights must be finite, not negative and not all zero, got "
            f"{dict(zip(sizes, weights.tolist(), strict=True))}"
        )
    return Probabilities(tuple(sizes), weights / weights.sum(), of_examples=of_examples)
