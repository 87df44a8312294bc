"""Choosing and building the next batch: 1,000 data sets against 10, and 691 tasks in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

import torch
from _measure import interleaved
from torch import Tensor

from polytask.data import BatchSize, EncodedSplit, Loader, Step, Stream, StreamOptions
from polytask.data.mixtures import Proportional
from polytask.fields import Dense, Ragged, Targets

ROWS, LENGTH, STEPS = 1000, 24, 500
"""Rows of a data set, mean length of a row in tokens, steps of one measurement."""


def text_split(name: str, seed: int) -> EncodedSplit:
    """A data set of token sequences with one task."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(LENGTH // 2, LENGTH * 3 // 2, (ROWS,), generator=generator)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    tokens = torch.randint(0, 30000, (int(offsets[-1]),), generator=generator)
    labels = Targets(
        Dense(torch.randint(0, 2, (ROWS,), generator=generator)), Dense(torch.ones(ROWS).bool())
    )
    weights = {name: torch.ones(ROWS)}
    return EncodedSplit(
        name, {"input_ids": Ragged(tokens, offsets)}, {name: labels}, weights, weights
    )


def sparse_table(tasks: int, labelled: int, rows: int = 23871) -> EncodedSplit:
    """A table of fingerprints in which each row has labels of a few tasks."""
    generator = torch.Generator().manual_seed(0)
    owners = torch.rand(rows, tasks, generator=generator).topk(labelled, dim=1).indices
    mask = torch.zeros(rows, tasks, dtype=torch.bool).scatter_(1, owners, True)
    targets = {
        f"task{index}": Targets(Dense(mask[:, index].long()), Dense(mask[:, index].clone()))
        for index in range(tasks)
    }
    weights = {name: target.mask.values.float() for name, target in targets.items()}
    fields = {"numeric": Dense(torch.rand(rows, 64, generator=generator))}
    return EncodedSplit("table", fields, targets, dict.fromkeys(targets, torch.ones(rows)), weights)


def steps(splits: dict[str, EncodedSplit]) -> Iterator[Step]:
    sizes = dict.fromkeys(splits, BatchSize(examples=32))
    return iter(Loader(Stream(splits, Proportional(), sizes, StreamOptions())))


def advance(stream: Iterator[Step], count: int = STEPS) -> Callable[[], None]:
    def work() -> None:
        for _ in range(count):
            next(stream)

    return work


def milliseconds(stream: Iterator[Step], count: int = 200) -> float:
    start = perf_counter()
    advance(stream, count)()
    return 1000 * (perf_counter() - start) / count


def every_task(split: EncodedSplit, rows: Tensor) -> None:
    """What a loop over all tasks costs at least: to look at each mask."""
    for target in split.targets.values():
        bool(target.mask.take(rows).any())


def main() -> None:
    torch.set_num_threads(1)
    many = {f"data{index}": text_split(f"data{index}", index) for index in range(1000)}
    few = {name: many[name] for name in list(many)[:10]}
    start = perf_counter()
    of_many = steps(many)
    next(of_many)
    print(f"start-up of 1,000 data sets: {perf_counter() - start:.2f} s (goal: < 5 s)")
    ratio = interleaved(advance(of_many), advance(steps(few)), rounds=31)
    print(f"time per step, 1,000 data sets / 10: {ratio} (goal: <= 1.1)")

    print(
        f"one table, a step of 32 rows with 7 labels each: 12 tasks "
        f"{milliseconds(steps({'table': sparse_table(12, 7)})):.2f} ms, 691 tasks "
        f"{milliseconds(steps({'table': sparse_table(691, 7)})):.2f} ms"
    )
    table = sparse_table(691, 7)
    rows = torch.arange(32)
    ratio = interleaved(
        advance(steps({"table": table}), 20),
        lambda: [every_task(table, rows) for _ in range(20)],
        15,
    )
    print(f"time per step, labels that are there / a look at all 691 masks: {ratio}")


if __name__ == "__main__":
    main()
