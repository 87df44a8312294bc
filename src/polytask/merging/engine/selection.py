"""The k-th largest magnitude of many values, exactly, without sorting them.

A sample of short runs gives an interval that almost surely holds the answer. One pass over all
values counts what lies above the interval and keeps what lies inside, and the answer is selected
among what was kept. If it was not inside after all, the pass is repeated with the interval that it
must be in: the sample decides how long it takes, never what comes out. Values equal to an end of
the interval are counted, not kept: differences of bfloat16 numbers are often the same.

Magnitudes are compared by their bits: those of floats without sign have the order of the floats,
with NaN above all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from polytask.merging.engine.counting import Bits, Countable, Counted, count
from polytask.merging.population import Population

__all__ = ["kth_magnitudes"]

SMALL = 1 << 20
"""Values (of all models together) up to which everything is kept instead of sampled."""

KEPT = 1 << 24
"""Most values that are kept at a time, for all ranks together: 64 MiB of float32."""

SAMPLED = 1 << 16
"""Elements for which one run is drawn."""

RUNS, RUN_LENGTH = 2048, 512
"""Most runs, and elements of each."""

DEVIATIONS = 5.0
"""Half the width of the interval, in standard errors of a share in the sample."""

ROUGH = 0.05
"""Half the width of the interval, as a share, where more values lay inside than can be kept."""

Found = tuple[tuple[float, ...], ...]


def kth_magnitudes(population: Population, ranks: Sequence[Sequence[int]]) -> Found:
    """For each model, the magnitudes that have the given ranks.

    Args:
        population: the values.
        ranks: for each model its ranks: 1 is the largest magnitude, ``population.length`` the
            smallest.

    Returns:
        One magnitude for each rank of each model.
    """
    if population.length * population.models <= SMALL:
        return _among_all(population, ranks)
    searches, width = _start(population, ranks)
    while open_ := [s for of_model in searches for s in of_model if s.answer is None]:
        population.map(partial(_look, searches, max(1, KEPT // len(open_))))
        for search in open_:
            search.conclude()
    return tuple(tuple(_float(s.answer or 0, width) for s in of_model) for of_model in searches)


def _among_all(population: Population, ranks: Sequence[Sequence[int]]) -> Found:
    pieces = population.map(lambda values: [_bits(value) for value in values])
    found = []
    for model, wanted in enumerate(ranks):
        values = np.concatenate([piece[model] for piece in pieces])
        found.append(tuple(_float(_select(values, rank), values.itemsize) for rank in wanted))
    return tuple(found)


def _start(
    population: Population, ranks: Sequence[Sequence[int]]
) -> tuple[list[list[_Search]], int]:
    """A search for each rank of each model, and the bytes of a value."""
    runs = min(max(population.length // SAMPLED, 1), RUNS)
    samples = [_Sample(of_model) for of_model in population.sample(runs, RUN_LENGTH)]
    width = samples[0].values.itemsize
    searches = []
    for sample, wanted in zip(samples, ranks, strict=True):
        ends = [sample.interval(rank / population.length) for rank in wanted]
        pairs = zip(wanted, ends, strict=True)
        searches.append([_Search(rank, *end, ceiling=2 ** (8 * width) - 1) for rank, end in pairs])
    return searches, width


def _look(searches: Sequence[Sequence[_Search]], limit: int, values: Sequence[Tensor]) -> None:
    for model, of_model in enumerate(searches):
        if open_ := [search for search in of_model if search.answer is None]:
            intervals = [(search.low, search.high) for search in open_]
            found = (
                values.count_of(model, intervals)
                if isinstance(values, Countable)
                else count(_bits(values[model]), intervals)
            )
            for search, counted in zip(open_, found, strict=True):
                search.see(counted, limit)


def _bits(values: Tensor) -> Bits:
    """The bits of the magnitudes of float32 or float64 values."""
    magnitude = values.detach().abs().numpy(force=True)
    bits: Bits = magnitude.view(np.uint32 if magnitude.itemsize == 4 else np.uint64)
    return bits


def _float(bits: int, width: int) -> float:
    """The magnitude of some bits."""
    if width == 4:
        return float(np.uint32(bits).view(np.float32))
    return float(np.uint64(bits).view(np.float64))


def _select(values: Bits, rank: int) -> int:
    """The value of a rank, 1 the largest."""
    place = len(values) - rank
    return int(np.partition(values, place)[place])


class _Sample:
    """Runs of the values of one model.

    Attributes:
        values: their bits, run after run.

    Args:
        runs: the values.
    """

    def __init__(self, runs: Sequence[Tensor]) -> None:
        self.values = _bits(torch.cat([*runs]))
        self._sorted = np.sort(self.values)
        self._lengths = np.array([len(run) for run in runs])
        self._starts = self._lengths.cumsum() - self._lengths

    def interval(self, share: float) -> tuple[int, int]:
        """Two values between which the value lies that a share of all values reaches."""
        guess, _ = _ends(self._sorted, share, 0)
        reached = np.add.reduceat(self.values >= guess, self._starts, dtype=np.int64)
        # Neighbours resemble each other: what counts is how much whole runs differ.
        error = float(np.std(reached / self._lengths)) / math.sqrt(len(self._lengths))
        return _ends(self._sorted, share, DEVIATIONS * error + 1 / len(self.values))


@dataclass
class _Search:
    """The search for one magnitude; all of them are bits.

    Args:
        rank: of the answer.
        low: lower end of the interval of this pass.
        high: upper end.
        floor: the answer is at least this.
        ceiling: the answer is at most this.
        answer: once it is known.
        counts: the numbers of `Counted`, of each piece.
        kept: values inside.
        stored: number of values that are kept.
    """

    rank: int
    low: int
    high: int
    ceiling: int
    floor: int = 0
    answer: int | None = None
    counts: list[tuple[int, ...]] = field(default_factory=list)
    kept: list[Bits] = field(default_factory=list)
    stored: int = 0

    def see(self, found: Counted, limit: int) -> None:
        """Note what was found in a piece; several threads may call this at a time."""
        self.counts.append(found.numbers)
        if len(found.inside) and self.stored < limit:
            self.stored += len(found.inside)
            self.kept.append(found.inside)

    def conclude(self) -> None:
        """Set the answer, or the interval of the next pass."""
        above, from_high, over_low, from_low = np.sum(self.counts, axis=0).tolist()
        kept = np.concatenate(self.kept) if self.kept else None
        self.counts, self.kept, self.stored = [], [], 0
        if self.rank <= above:
            self.floor = self.low = self.high
            self.high = self.ceiling
        elif self.rank <= from_high:
            self.answer = self.high
        elif self.rank <= over_low and kept is not None:
            self._conclude_inside(kept, self.rank - from_high, over_low - from_high)
        elif self.rank <= from_low:
            self.answer = self.low
        else:
            self.ceiling = self.high = self.low
            self.low = self.floor

    def _conclude_inside(self, kept: Bits, rank: int, inside: int) -> None:
        if len(kept) == inside:
            self.answer = _select(kept, rank)
            return
        self.floor, self.ceiling = self.low, self.high
        self.low, self.high = _ends(np.sort(kept), rank / inside, ROUGH)


def _ends(values: Bits, share: float, margin: float) -> tuple[int, int]:
    """The sorted values that a share plus margin, and one minus margin, reach."""
    last = len(values) - 1
    low, high = (int(len(values) * (1 - edge)) for edge in (share + margin, share - margin))
    return int(values[min(max(low, 0), last)]), int(values[min(max(high, 0), last)])
