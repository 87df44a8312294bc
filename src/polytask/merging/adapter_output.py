"""A merged change as an adapter again, as the peft library reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.group import chunks
from polytask.merging.heads import Head, entries_of_heads, write_heads
from polytask.merging.merger import Item, Merger
from polytask.merging.method import DeltaMethod, Method
from polytask.merging.place import Place
from polytask.merging.random_numbers import key_of
from polytask.merging.rounding import rounded, rounding_key
from polytask.merging.settings import for_tensor
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.adapter_file import PREFIX
from polytask.merging.sources.adapter_layout import Target
from polytask.merging.sources.base import Entry
from polytask.merging.stream import Precision
from polytask.merging.survey import Mapper
from polytask.merging.truncation import low_rank
from polytask.merging.writer import Writer

__all__ = ["AdapterOutput", "Truncation", "check_adapter_rank"]


@dataclass(frozen=True)
class Truncation:
    """What factors of low rank cannot hold of the change of one tensor.

    Args:
        name: of the tensor.
        lost: squared norm of what is left out.
        change: squared norm of all.
    """

    name: str
    lost: float
    change: float


def check_adapter_rank(rank: int, method: Method) -> None:
    """Refuse a rank that is none, and methods whose result is not the base plus a change.

    Raises:
        InputError: says which it is.
    """
    if type(rank) is not int or rank < 1:
        raise InputError(f"adapter_rank: must be an integer of at least 1, got {rank!r}")
    if not isinstance(method, DeltaMethod) and "identical" not in method.contract.invariants:
        raise InputError(
            f"adapter_rank: {type(method).__name__} may change tensors that no adapter changes; "
            "task_arithmetic with weights sums up changes alone"
        )


class AdapterOutput:
    """The adapter that a merge of adapters makes.

    A weight that has factors in an input gets factors of one rank, from a truncated singular value
    decomposition of its merged change. A tensor that an input holds whole stays whole.

    Attributes:
        entries: the tensors of its file.
        targets: weight of the base -> what has factors for it.

    Args:
        merger: of the adapters.
        adapters: the models of the merger.
        heads: that the base does not have.
        rank: of the factors.
        precision: how they are stored.

    Raises:
        InputError: the adapters name modules differently, or change a tensor that an adapter can
            hold neither as factors nor whole.
    """

    def __init__(
        self,
        merger: Merger,
        adapters: Sequence[Adapter],
        heads: Mapping[str, Head],
        *,
        rank: int,
        precision: Precision,
    ) -> None:
        self._merger, self._rank, self._precision = merger, rank, precision
        self._heads = {PREFIX + name: head for name, head in heads.items()}
        self._items = [i for i in merger.items if any(a.touches(i.group.name) for a in adapters)]
        self.targets: dict[str, Target] = {}
        self._whole: dict[str, str] = {}
        for item in self._items:
            self._find(item.group.name, adapters)
        self._whole = {name: self._under_factors(key) for name, key in self._whole.items()}
        self.entries = {name: Entry(*entry, "") for name, entry in self._entries()}
        self.entries |= entries_of_heads(self._heads, precision)

    def write(self, writer: Writer, mapper: Mapper) -> list[Truncation]:
        """Compute and write all tensors.

        Args:
            writer: of the entries.
            mapper: runs over the tensors; each is in memory as a whole.

        Returns:
            What truncation lost of each weight with factors.

        Raises:
            InputError: an input or the result is not finite.
            OSError: it cannot be written.
        """
        found = mapper(lambda item: self._write(writer, item), self._items)
        write_heads(self._heads, writer, self._precision)
        return [truncation for truncation in found if truncation is not None]

    def _find(self, name: str, adapters: Sequence[Adapter]) -> None:
        """Find what the result has for a tensor that changes."""
        targets = [a.layout.targets[name] for a in adapters if name in a.layout.targets]
        whole = [a.layout.whole[name] for a in adapters if name in a.layout.whole]
        modules = sorted({target.module for target in targets})
        if len(modules) > 1:
            raise InputError(f"adapter_rank: the adapters name a module {' and '.join(modules)}")
        if targets:
            self.targets[name] = targets[0]
        elif whole:
            self._whole[name] = whole[0]
        else:
            raise InputError(
                f"adapter_rank: {name!r} changes by a bias of LoRA (lora_bias), which the adapter "
                "that is written does not have; merge into a whole model"
            )

    def _under_factors(self, key: str) -> str:
        """The name of a whole tensor in the file: another one if its module has factors too."""
        module, _, last = key.replace(".base_layer.", ".").rpartition(".")
        modules = {PREFIX + target.module for target in self.targets.values()}
        return f"{module}.base_layer.{last}" if module in modules else f"{module}.{last}"

    def _entries(self) -> Iterator[tuple[str, tuple[tuple[int, ...], torch.dtype]]]:
        """Name, shape and dtype of all tensors of the file that change the base."""
        for item in self._items:
            name, (rows, *columns) = item.group.name, item.group.shape
            if name in self._whole:
                yield self._whole[name], (item.group.shape, self._precision.of(item))
                continue
            target, dtype = self.targets[name], self._precision.stored(torch.float32)
            outer = (columns[0], self._rank) if target.transposed else (rows, self._rank)
            inner = [rows] if target.transposed else columns
            ones = [1] * (len(inner) - 1)
            yield target.factors.down, ((self._rank, *inner), dtype)
            yield target.factors.up, ((*outer, *ones), dtype)

    def _write(self, writer: Writer, item: Item) -> Truncation | None:
        """Write what the adapter holds of a tensor."""
        name, place = item.group.name, self._merger.place(item)
        if name in self._whole:
            self._store(writer, self._whole[name], _joined(self._merger, item, place, _value))
            return None
        target = self.targets[name]
        change = _joined(self._merger, item, place, _change).view(item.group.shape[0], -1)
        whole = _squared_norm(change)
        left, right = low_rank(change, self._rank, key_of(self._merger.seed, "adapter", name))
        down, up = (left.T, right.T) if target.transposed else (right, left)
        self._store(writer, target.factors.down, down.reshape(-1))
        self._store(writer, target.factors.up, up.reshape(-1))
        return Truncation(name, _squared_norm(change.addmm_(left, right, alpha=-1)), whole)

    def _store(self, writer: Writer, key: str, values: Tensor) -> None:
        seed, rounding = self._precision.seed, self._precision.rounding
        dtype = self.entries[key].dtype
        writer.write(key, 0, rounded(values, dtype, rounding, rounding_key(seed, key), 0))


def _joined(
    merger: Merger,
    item: Item,
    place: Place,
    part: Callable[[Merger, Item, Place, int, int], Tensor],
) -> Tensor:
    """A part of the result for a whole tensor, flat."""
    whole = torch.empty(item.group.size, dtype=item.group.dtype)
    for start, stop in chunks(0, item.group.size):
        whole[start:stop] = part(merger, item, place, start, stop)
        item.group.check_result(whole[start:stop], start, stop)
    return whole


def _value(merger: Merger, item: Item, place: Place, start: int, stop: int) -> Tensor:
    return merger.merged(item, place, start, stop).values


def _change(merger: Merger, item: Item, place: Place, start: int, stop: int) -> Tensor:
    """What merging adds to the base: not as a difference where the method gives it, so exactly."""
    method = merger.method
    if isinstance(method, DeltaMethod):
        direction = merger.direction(item, place, start, stop)[1]
        return (direction * for_tensor(method.scale, place)).values
    return _value(merger, item, place, start, stop) - item.group.base_weights(start, stop).values


def _squared_norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64)) ** 2
