"""From changes of weights to parts in a file, piece by piece, in threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.compression.layout import Compressed
from polytask.merging.compression.part import entry_name
from polytask.merging.engine.finite import all_finite
from polytask.merging.engine.group import chunks, pieces
from polytask.merging.engine.merger import Merger
from polytask.merging.engine.threads import Threads
from polytask.merging.kinds import Delta
from polytask.merging.output.writer import Writer
from polytask.merging.place import Place

__all__ = ["encode"]


@dataclass(frozen=True)
class _Job:
    """Pieces of one tensor that one thread compresses."""

    tensor: Compressed
    pieces: Sequence[tuple[int, int]]


def encode(
    tensors: Sequence[Compressed], merger: Merger, writer: Writer, threads: Threads
) -> Tensor:
    """Compress and write all tensors.

    Returns:
        ``[2, models]`` squared norms in float64, models as the user listed them: of what each
        loses, and of its change.

    Raises:
        InputError: an input holds NaN or infinite values.
        OSError: a part cannot be written.
    """
    jobs = [
        _Job(tensor, part)
        for tensor in sorted(tensors, key=lambda tensor: -tensor.item.group.size)
        for part in _cut(tensor)
    ]
    costs = threads(lambda job: _run(job, merger, writer), jobs)
    return torch.stack(costs).sum(0) if costs else torch.zeros(2, len(merger.identities)).double()


def _cut(tensor: Compressed) -> list[list[tuple[int, int]]]:
    """A tensor that is surveyed alone is one job."""
    whole = list(pieces(tensor.item.group.size))
    return [whole] if tensor.compression.scope == "tensor" else [[piece] for piece in whole]


def _run(job: _Job, merger: Merger, writer: Writer) -> Tensor:
    item, compression = job.tensor.item, job.tensor.compression
    place = merger.place(item) if compression is merger.method else item.place
    fixed = compression.whole(place)
    if job.pieces[0][0] == 0:
        for name, values in fixed.items():
            _write(writer, job.tensor, name, values, 0, checked=False)  # of whole models
    ends = [chunk for piece in job.pieces for chunk in chunks(*piece)]
    costs = [_chunk(job.tensor, fixed, place, writer, *end) for end in ends]
    return torch.stack(costs).sum(0)


def _chunk(
    tensor: Compressed,
    fixed: Mapping[str, Tensor],
    place: Place,
    writer: Writer,
    start: int,
    stop: int,
) -> Tensor:
    group = tensor.item.group
    base = group.base_weights(start, stop)
    deltas = list(group.deltas(base, start, stop))
    for delta in deltas:
        group.check_result(delta.values, start, stop)
    encoded = tensor.compression.encode(base, deltas, replace(place, start=start))
    for name, values in encoded.items():
        _write(writer, tensor, name, values, start, checked=True)
    return _cost(tensor, {**fixed, **encoded}, deltas, start, stop)


def _write(
    writer: Writer, tensor: Compressed, name: str, values: Tensor, start: int, *, checked: bool
) -> None:
    part, group = tensor.parts[name], tensor.item.group
    for row, numbers in tensor.rows(name, values):
        at, stored = part.offset(row, group.size, start), numbers.to(part.dtype).reshape(-1)
        if checked and stored.is_floating_point() and not all_finite(stored):
            said = f"{name} is not finite in {part.dtype}; a wider dtype may help"
            raise InputError(f"tensor {group.name!r}: {said}")
        writer.write(entry_name(group.name, name), at, stored)


def _cost(
    tensor: Compressed,
    parts: Mapping[str, Tensor],
    deltas: Sequence[Delta],
    start: int,
    stop: int,
) -> Tensor:
    """Squared norms of what a reader loses, and of what there is to lose."""
    found = torch.zeros(2, len(deltas), dtype=torch.float64)
    for seen, (delta, place) in enumerate(zip(deltas, tensor.item.place.order, strict=True)):
        rows = {
            name: values[seen if tensor.parts[name].per_model else 0].to(tensor.parts[name].dtype)
            for name, values in parts.items()
        }
        error = tensor.compression.decode(rows, start, stop) - delta.values
        found[0, place] = error.square().sum(dtype=torch.float64)
        found[1, place] = delta.values.square().sum(dtype=torch.float64)
    return found
