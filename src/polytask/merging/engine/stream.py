"""From merged pieces to files: the loop over all pieces of all tensors, in threads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polytask.merging.elementwise import ElementwiseMethod
from polytask.merging.engine.content import ContentHash
from polytask.merging.engine.group import PIECE, chunks, pieces
from polytask.merging.engine.merger import Item, Merged, Merger
from polytask.merging.engine.rounding import Rounding, rounded, rounding_key
from polytask.merging.engine.threads import Threads
from polytask.merging.output.writer import Writer
from polytask.merging.place import Place
from polytask.merging.settings import for_tensor
from polytask.merging.sources.base import Entry
from polytask.merging.weighted import WeightedMethod

__all__ = ["Precision", "RoundingCost", "entries_of", "stream"]

MEASURED = 1 << 14
"""Elements on which the cost of rounding is measured: the first ones of some pieces."""

EVERY = 4
"""How many pieces there are for one of those."""


@dataclass(frozen=True)
class Precision:
    """How merged values are stored.

    Args:
        dtype: of floating-point tensors; None for what the inputs have together.
        rounding: to this dtype.
        seed: of random rounding.
    """

    dtype: torch.dtype | None
    rounding: Rounding
    seed: int

    def of(self, item: Item) -> torch.dtype:
        """The dtype of a tensor of the result."""
        return self.stored(item.group.stored)

    def stored(self, dtype: torch.dtype) -> torch.dtype:
        """The dtype of a tensor of the result that inputs have in another one."""
        return self.dtype if self.dtype is not None and dtype.is_floating_point else dtype


@dataclass(frozen=True)
class RoundingCost:
    """Squared norms over a part of the result.

    Args:
        error: of what rounding changed.
        update: of what merging changed.
    """

    error: float
    update: float

    @property
    def share(self) -> float:
        """The norm of what rounding changed, as a share of the norm of what merging changed."""
        return math.sqrt(self.error / self.update) if self.update else 0.0


def entries_of(merger: Merger, precision: Precision) -> dict[str, Entry]:
    """The tensors of the result."""
    return {
        item.group.name: Entry(item.group.shape, precision.of(item), "") for item in merger.items
    }


@dataclass(frozen=True)
class _Stream:
    """What all jobs share."""

    merger: Merger
    writer: Writer
    precision: Precision
    hashes: Sequence[ContentHash]


@dataclass(frozen=True)
class _Job:
    """Pieces of one tensor that one thread merges."""

    item: Item
    place: Place | None
    pieces: Sequence[tuple[int, int]]


def stream(
    merger: Merger,
    writer: Writer,
    precision: Precision,
    threads: Threads,
    hashes: Sequence[ContentHash],
) -> RoundingCost:
    """Merge and write every tensor, and hash the inputs on the way.

    Returns:
        What rounding costs.

    Raises:
        InputError: an input holds NaN or infinite values, or the result does.
        OSError: it cannot be written.
    """
    shared = _Stream(merger, writer, precision, hashes)
    costs = threads(lambda job: _run(shared, job), _jobs(merger))
    return RoundingCost(sum(c.error for c in costs), sum(c.update for c in costs))


def _jobs(merger: Merger) -> Iterator[_Job]:
    """The work, large tensors first. A tensor that is surveyed alone is one job."""
    for item in sorted(merger.items, key=lambda item: -item.group.size):
        if merger.method.scope == "tensor":
            yield _Job(item, None, list(pieces(item.group.size)))
        else:
            place = merger.place(item)
            yield from (_Job(item, place, [piece]) for piece in pieces(item.group.size))


def _run(shared: _Stream, job: _Job) -> RoundingCost:
    place = shared.merger.place(job.item) if job.place is None else job.place
    costs = [_piece(shared, job.item, place, *piece) for piece in job.pieces]
    return RoundingCost(sum(c.error for c in costs), sum(c.update for c in costs))


def _piece(shared: _Stream, item: Item, place: Place, start: int, stop: int) -> RoundingCost:
    """Merge, write and hash one piece."""
    cost = _by_compiled(shared, item, place, start, stop)
    if cost is None:
        cost = _by_chunks(shared, item, place, start, stop)
    for content in shared.hashes:
        content.see(item.group.name, start, stop)
    return cost


def _by_compiled(
    shared: _Stream, item: Item, place: Place, start: int, stop: int
) -> RoundingCost | None:
    """Merge and write a piece in compiled code; None if that is not possible."""
    stored = _compiled(shared, item, place, start, stop)
    if stored is None:
        return None
    shared.writer.write(item.group.name, start, stored)
    measured = _stands_for(item, start)
    if item.group.base is None or not measured:
        return RoundingCost(0.0, 0.0)
    merged = shared.merger.merged(item, place, start, min(start + MEASURED, stop))
    assert merged.base is not None
    return _cost(merged.values, stored, merged.base, of=measured)


def _compiled(shared: _Stream, item: Item, place: Place, start: int, stop: int) -> Tensor | None:
    method, code, precision = shared.merger.method, shared.merger.compiled, shared.precision
    narrow = precision.of(item) == torch.bfloat16 and precision.rounding == "nearest"
    if code is None or not narrow or item.treatment != "merge":
        return None
    at = replace(place, start=start)
    if isinstance(method, WeightedMethod):
        return code.weighted(item.group.name, item.group.models, method, at, stop)
    assert isinstance(method, ElementwiseMethod)
    scale, base = for_tensor(method.scale, place), item.group.base
    if scale == 0 or base is None:
        return None
    sources = [base, *item.group.models]
    return code.merged(item.group.name, sources, method.steps(at), scale, at, stop)


def _by_chunks(shared: _Stream, item: Item, place: Place, start: int, stop: int) -> RoundingCost:
    """Merge and write a piece; what rounding costs may be measured on its beginning."""
    cost = RoundingCost(0.0, 0.0)
    for chunk in chunks(start, stop):
        merged, stored = _chunk(shared, item, place, *chunk)
        measured = _stands_for(item, start) if chunk[0] == start else 0
        if measured and merged.base is not None:
            cost = _cost(merged.values, stored, merged.base, of=measured)
    return cost


def _chunk(
    shared: _Stream, item: Item, place: Place, start: int, stop: int
) -> tuple[Merged, Tensor]:
    name, precision = item.group.name, shared.precision
    merged = shared.merger.merged(item, place, start, stop)
    key = rounding_key(precision.seed, name)
    stored = rounded(merged.values, precision.of(item), precision.rounding, key, start)
    item.group.check_result(stored, start, stop)
    shared.writer.write(name, start, stored)
    return merged, stored


def _stands_for(item: Item, start: int) -> int:
    """For how many elements the cost of rounding is measured where a piece begins."""
    length = EVERY * PIECE
    return 0 if start % length else min(length, item.group.size - start)


def _cost(values: Tensor, stored: Tensor, base: Tensor, *, of: int) -> RoundingCost:
    """What rounding costs in so many elements, by the first of them."""
    values, stored, base = values[:MEASURED], stored[:MEASURED], base[:MEASURED]
    error, update = stored.to(values.dtype) - values, values - base
    stands_for = of / len(values)
    return RoundingCost(
        float((error * error).sum()) * stands_for, float((update * update).sum()) * stands_for
    )
