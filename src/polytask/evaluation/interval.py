"""Intervals from resampled test examples and from the spread between seeds.

Shapes: R resamplings, S seeds. An arm ``[1 + R, S]`` holds a quantity of each seed: in row 0 as it
was measured, then under every resampling of the test examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polytask.randomness import seeded

__all__ = ["Interval", "estimate", "seed_variance"]

SEED = 0
"""Of the random numbers of all intervals: the same evidence always gives the same interval."""

LEAST_DEFINED = 0.5
"""Share of resamplings in which a metric must be defined for its interval to mean something."""


@dataclass(frozen=True)
class Interval:
    """A range of values that holds the true one with a known probability.

    Args:
        low: its lower end.
        high: its upper end.
    """

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def estimate(arms: Sequence[np.ndarray], *, level: float = 0.95) -> tuple[float, Interval | None]:
    """The sum over arms of the mean over seeds, and its interval.

    Example level: percentiles of the resamplings. They stay inside the range of a metric (basic
    intervals do not) and need no jackknife, which BCa would need for two crossed levels at once.

    Seed level: a Student t variable with S - 1 degrees of freedom times the standard error of the
    mean over seeds is added to every resampling. To resample the seeds would not do: the mean of 3
    resampled seeds never leaves their range, and the range of 3 holds the mean in 75% of cases, not
    in 95%. With one seed this level is missing: the interval then holds for that very model.

    Args:
        arms: ``[1 + R, S]`` each. Seeds of different arms are independent of each other; a paired
            comparison is one arm of differences.
        level: probability that the interval holds the true value.

    Returns:
        The value, and its interval: None where the value is not defined, or in fewer than half of
        the resamplings (the others are left out).
    """
    rng = seeded(SEED, "seed level")
    value = float(sum(arm[0].mean() for arm in arms))
    resampled = np.sum([_with_seed_level(arm, rng) for arm in arms], axis=0)
    defined = resampled[~np.isnan(resampled)]
    if math.isnan(value) or len(defined) < max(2, LEAST_DEFINED * len(resampled)):
        return value, None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return value, Interval(float(low), float(high))


def seed_variance(arm: np.ndarray) -> float:
    """The variance between seeds that does not come from the choice of test examples.

    Seeds and examples are crossed: the variance of the S measured values also holds the interaction
    of the two, which the resampled examples bring in already. It is estimated from the resamplings
    (variance of single seeds against that of their mean) and taken off, so that it is not counted
    twice. Source: Owen, "The pigeonhole bootstrap", 2007, and McCullagh, "Resampling and
    exchangeable arrays", 2000, on why resampling both sides overstates the variance.
    """
    seeds = arm.shape[1]
    resampled = arm[1:][~np.isnan(arm[1:]).any(axis=1)]
    if seeds < 2 or len(resampled) < 2 or np.isnan(arm[0]).any():
        return 0.0
    excess = float(resampled.var(axis=0).mean() - resampled.mean(axis=1).var())
    interaction = max(0.0, excess) * seeds / (seeds - 1)
    between = float(arm[0].var(ddof=1))
    return max(0.0, between - interaction)


def _with_seed_level(arm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean over seeds under every resampling, plus the noise of the seeds: ``[R]``."""
    mean: np.ndarray = arm[1:].mean(axis=1)
    seeds = arm.shape[1]
    if seeds < 2:
        return mean
    error = math.sqrt(seed_variance(arm) / seeds)
    return mean + error * _student(seeds - 1, len(mean), rng)


def _student(freedom: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Evenly spaced quantiles of the t distribution in random order: less noise than draws."""
    from scipy.special import stdtrit

    quantiles: np.ndarray = stdtrit(freedom, (np.arange(count) + 0.5) / count)
    return rng.permutation(quantiles)
