"""How many magnitudes lie above, at the ends of, and inside an interval. All of them are bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from polytask.merging.engine.lazy import Lazy

__all__ = ["Bits", "Countable", "Counted", "Interval", "count"]

Bits = NDArray[np.unsignedinteger[Any]]

Interval = tuple[int, int]
"""The lower and the upper end."""


class Counted(NamedTuple):
    """What was found in a piece.

    Args:
        numbers: how many are above the upper end, from there on, over the lower end, and from
            there on.
        inside: those between the ends.
    """

    numbers: tuple[int, ...]
    inside: Bits


class Countable(Lazy[Tensor]):
    """Values that can be counted without being made.

    Args:
        makers: of the values of each model.
        count: of a model, what lies in each of some intervals.
    """

    def __init__(
        self,
        makers: Sequence[Callable[[], Tensor]],
        count: Callable[[int, Sequence[Interval]], list[Counted]],
    ) -> None:
        super().__init__(makers)
        self.count_of = count


def count(values: Bits, intervals: Sequence[Interval]) -> list[Counted]:
    """Count the values of a piece, for each interval.

    Args:
        values: the bits of magnitudes.
        intervals: the lower and the upper end of each.
    """
    return [_count(values, *ends) for ends in intervals]


def _count(values: Bits, low: int, high: int) -> Counted:
    # Values equal to an end are many: to compare once more is faster than to sort them out.
    above, from_high, over_low = values > high, values >= high, values > low
    ends = (above, from_high, over_low, values >= low)
    numbers = [int(np.count_nonzero(found)) for found in ends]
    return Counted(tuple(numbers), values[over_low & ~from_high])
