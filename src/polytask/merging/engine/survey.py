"""What surveys look at: the pieces of one tensor, or of every tensor that is merged."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, chain
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from polytask.merging.engine.compiled import Compiled
from polytask.merging.engine.counting import Countable, Counted, Interval
from polytask.merging.engine.group import Group, chunks, pieces, pieces_between
from polytask.merging.engine.lazy import Lazy
from polytask.merging.engine.pair_products import Multipliable
from polytask.merging.kinds import Delta, Weights
from polytask.merging.place import Place
from polytask.merging.population import Population, spread

__all__ = ["Mapper", "ModelPopulation", "TensorPopulation", "one_by_one"]

S = TypeVar("S")
T = TypeVar("T")


class Mapper(Protocol):
    """What applies a function to items and returns the results in their order."""

    def __call__(self, function: Callable[[S], T], items: Iterable[S]) -> list[T]: ...


def one_by_one(function: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """The mapper without threads."""
    return [function(item) for item in items]


class TensorPopulation(Population):
    """The values of one tensor.

    Args:
        group: the tensor.
        at: where it is.
        changes: whether the method sees changes from the base.
        compiled: code that counts them, or adds up their products.
    """

    def __init__(
        self, group: Group, at: Place, *, changes: bool, compiled: Compiled | None = None
    ) -> None:
        self.group, self.at, self.changes = group, at, changes
        self._compiled = compiled
        self.length = group.size

    def map(self, function: Callable[[Sequence[Tensor]], T]) -> list[T]:
        return _of_parts(function, self, (0, self.length))

    def sample(self, runs: int, length: int) -> list[list[Tensor]]:
        return self.runs(spread(runs, self.length), length)

    def runs(self, starts: Sequence[int], length: int) -> list[list[Tensor]]:
        """Runs of neighbouring elements that begin somewhere: a list of them for each model."""
        runs = [(start, min(start + length, self.length)) for start in starts]
        lengths = [stop - start for start, stop in runs]
        made = _seen(self.group.picked(runs), 0, sum(lengths), changes=self.changes)
        return [list(torch.split(values, lengths)) for values in made]

    def values(self, start: int, stop: int) -> Sequence[Tensor]:
        """What the method sees of each model between two elements, made when it is asked for."""
        makers = [partial(self._one, start, stop, index) for index in range(self.models)]
        if (count := self._counter(start, stop)) is not None:
            return Countable(makers, count)
        if (sums := self._block_sums(start, stop)) is not None:
            return Multipliable(makers, sums)
        return self.made(start, stop)

    def made(self, start: int, stop: int) -> Lazy[Tensor]:
        """The same; the base is read now."""
        return _seen(self.group, start, stop, changes=self.changes)

    def parts(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """What is looked at at a time; compiled code takes long pieces."""
        found = self._counter(start, stop), self._block_sums(start, stop)
        return (pieces_between if any(found) else chunks)(start, stop)

    def _counter(
        self, start: int, stop: int
    ) -> Callable[[int, Sequence[Interval]], list[Counted]] | None:
        group = self.group
        if self._compiled is None or not self.changes or group.base is None:
            return None
        return self._compiled.counter(group.name, [group.base, *group.models], start, stop)

    def _block_sums(self, start: int, stop: int) -> Callable[[], Tensor] | None:
        group = self.group
        if self._compiled is None or self.changes:
            return None
        return self._compiled.block_sums(group.name, group.models, start, stop)

    def _one(self, start: int, stop: int, index: int) -> Tensor:
        return self.made(start, stop)[index]

    def base(self, start: int, stop: int) -> Tensor:
        """What the base has between two elements."""
        return self.group.base_weights(start, stop).values


class ModelPopulation(Population):
    """The values of all tensors that are merged, as if they were one.

    Args:
        tensors: their populations; at least one, none empty.
        at: the order of the models, without a tensor.
        mapper: runs over the pieces.
    """

    def __init__(self, tensors: Sequence[TensorPopulation], at: Place, mapper: Mapper) -> None:
        self.tensors, self.at, self._mapper = tensors, at, mapper
        self._ends = list(accumulate(tensor.length for tensor in tensors))
        self.length = self._ends[-1]

    def map(self, function: Callable[[Sequence[Tensor]], T]) -> list[T]:
        items = ((tensor, piece) for tensor in self.tensors for piece in pieces(tensor.length))
        found = self._mapper(lambda item: _of_parts(function, *item), items)
        return [result for of_piece in found for result in of_piece]

    def sample(self, runs: int, length: int) -> list[list[Tensor]]:
        starts = defaultdict(list)
        for position in spread(runs, self.length):
            index = bisect_right(self._ends, position)
            starts[index].append(position - self._ends[index] + self.tensors[index].length)
        drawn = self._mapper(
            lambda item: self.tensors[item[0]].runs(item[1], length), starts.items()
        )
        return [list(chain(*of_model)) for of_model in zip(*drawn, strict=True)]


def _seen(group: Group, start: int, stop: int, *, changes: bool) -> Lazy[Tensor]:
    """What a method sees of each model; the base is read now."""
    seen: Sequence[Weights | Delta] = (
        group.deltas(group.base_weights(start, stop), start, stop)
        if changes
        else group.weights(start, stop)
    )
    return Lazy([partial(_values, seen, index) for index in range(len(seen))])


def _values(tensors: Sequence[Weights | Delta], index: int) -> Tensor:
    return tensors[index].values


def _of_parts(
    function: Callable[[Sequence[Tensor]], T], tensor: TensorPopulation, piece: tuple[int, int]
) -> list[T]:
    return [function(tensor.values(*part)) for part in tensor.parts(*piece)]
