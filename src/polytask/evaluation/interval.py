"""Intervals from resampled test examples and from the spread between seeds.

Shapes: R resamplings, S seeds. An arm ``[1 + R, S]`` holds a quantity of each seed: in row 0 as it
was measured, then under every resampling of the test examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from polytask.randomness import seeded

__all__ = ["Interval", "estimate", "seed_variance"]

SEED = 0
"""Of the random numbers of all intervals: the same evidence always gives the same interval."""

LEAST_DEFINED = 0.5
"""Share of resamplings in which a metric must be defined for its interval to mean something."""


ROUNDING = 1e-9
"""Share of the larger end of an interval below which the other end is rounding error. Metrics are
rounded to 1e-16 of their size: this leaves seven digits between a metric and its change."""


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

    Example level: percentiles of the resamplings, shifted so that their median is the measured
    value. Without the shift the bias of a metric on few examples (calibration error, explained
    variance) moves the interval; in a mean over many tasks, where the interval is short, it can
    even move it off the value. BCa corrects for bias too, but its correction runs into the ends of
    the resamplings just there, and its acceleration is not defined for two crossed levels; a basic
    interval turns the skew of a ratio the wrong way round.

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
    low, middle, high = np.quantile(defined, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return value, _interval(float(low - middle) + value, float(high - middle) + value)


def _interval(low: float, high: float) -> Interval:
    """An end that differs from zero by rounding alone is zero: it decides over helped and hurt."""
    least = ROUNDING * max(abs(low), abs(high))
    return Interval(*(0.0 if abs(end) <= least else end for end in (low, high)))


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
    return max(0.0, float(arm[0].var(ddof=1)) - float(interaction))


def _with_seed_level(arm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean over seeds under every resampling, plus the noise of the seeds: ``[R]``."""
    mean = np.asarray(arm[1:].mean(axis=1))
    seeds = arm.shape[1]
    if seeds < 2:
        return mean
    error = math.sqrt(seed_variance(arm) / seeds)
    return mean + error * rng.permutation(_student(seeds - 1, len(mean)))


@lru_cache(maxsize=16)
def _student(freedom: int, count: int) -> np.ndarray:
    """Evenly spaced quantiles of the t distribution: less noise than draws."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, (np.arange(count) + 0.5) / count))
