"""How benchmarks measure: two things in turn, and the ratio of their times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Ratio", "interleaved"]

RESAMPLES = 2000
"""Bootstrap samples of the interval."""


@dataclass(frozen=True)
class Ratio:
    """Time of the first thing divided by that of the second.

    Args:
        median: over the rounds.
        low: lower end of the 95% interval of the median (bootstrap over the rounds).
        high: upper end.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def times(self, factor: float) -> Ratio:
        """The ratio for units of work that differ by this factor."""
        return Ratio(self.median * factor, self.low * factor, self.high * factor)


def interleaved(
    a: Callable[[], object],
    b: Callable[[], object],
    rounds: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Run two things in turn and compare their times round by round.

    What slows the machine down for a while slows both, and which comes first alternates.

    Args:
        a: the first thing; each call is one unit of work.
        b: the second thing; the same amount of work.
        rounds: number of pairs; one more is run before them and not counted.
        clock: tells the time; ``time.process_time`` where one thread computes and others disturb.
    """
    ratios: list[float] = []
    for index in range(-1, rounds):
        if index % 2:
            second = seconds(b, clock)
            first = seconds(a, clock)
        else:
            first = seconds(a, clock)
            second = seconds(b, clock)
        if index >= 0:
            ratios.append(first / second)
    samples = np.random.default_rng(0).choice(ratios, (RESAMPLES, rounds))
    low, high = np.quantile(np.median(samples, axis=1), [0.025, 0.975])
    return Ratio(float(np.median(ratios)), float(low), float(high))


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds that one call takes."""
    start = clock()
    work()
    return clock() - start
