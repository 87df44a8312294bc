"""From draws to the batches of one process, gathered ahead by threads if asked.

Shapes: B rows of a batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from polytask.data.batch import Batch, collate
from polytask.data.encoded import EncodedSplit
from polytask.data.narrowed import Narrowed
from polytask.data.stream import Draw, Stream
from polytask.errors import InputError, unknown

__all__ = ["Loader", "Step"]

AHEAD = 4
"""Steps that each worker may gather before they are needed."""


@dataclass(frozen=True)
class Step:
    """What one process computes in one optimiser step.

    Args:
        index: number of the step, from 0.
        batches: the batches of this process: several when gradients are accumulated, when a step
            draws several data sets; none when the step carries nothing for this process.
        totals: task -> sum of its loss weights over all batches of all processes. A loss that is
            divided by it is the mean over the whole step, wherever its parts are computed.
        factors: task -> factor of its loss in this step; 1 for a task that is not named.
    """

    index: int
    batches: list[Batch]
    totals: dict[str, float]
    factors: Mapping[str, float] = field(default_factory=dict)


class Loader:
    """The steps of one process.

    Args:
        stream: draws the rows of all processes.
        tasks: the tasks to carry; rows with no target of any of them are left out. All by default.
        rank: number of this process, from 0.
        processes: number of processes.
        micro_batches: parts into which a batch is cut to save memory (gradient accumulation).
        uncut: data sets with a loss of the whole batch: each process computes all of their rows,
            and its losses count for one share among the processes.
        workers: threads that gather batches ahead; 0 gathers when asked.

    Raises:
        InputError: an unknown task or data set, or a number out of its range.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        tasks: Iterable[str] | None = None,
        rank: int = 0,
        processes: int = 1,
        micro_batches: int = 1,
        uncut: Iterable[str] = (),
        workers: int = 0,
    ) -> None:
        if not 0 <= rank < processes or micro_batches < 1 or workers < 0:
            raise InputError(
                f"loader: rank {rank} of {processes} processes, {micro_batches} micro-batches and "
                f"{workers} workers make no sense"
            )
        self.stream, self.workers = stream, workers
        parts, first = processes * micro_batches, rank * micro_batches
        self._parts = [slice(first + i, None, parts) for i in range(micro_batches)]
        self._uncut, self._processes = frozenset(uncut), processes
        for name in self._uncut - set(stream.splits):
            raise unknown("data set", name, stream.splits, where="loader")
        carried = (task for split in stream.splits.values() for task in split.targets)
        names = _known(dict.fromkeys(carried) if tasks is None else tasks, stream.splits)
        self._all = Narrowed.to(stream.splits, names)
        self._of_tasks = {
            frozenset(chosen): Narrowed.to(stream.splits, [n for n in names if n in chosen])
            for chosen in stream.mixture.task_sets()
        }

    def __iter__(self) -> Iterator[Step]:
        if self.workers:
            yield from self._ahead()
        while True:
            yield self._step(self.stream.draw())

    def state_dict(self) -> dict[str, Any]:
        """The state of the stream: steps that were gathered ahead do not count as drawn."""
        return self.stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where another loader stood; takes effect when iteration starts anew."""
        self.stream.load_state_dict(state)

    def _ahead(self) -> Iterator[Step]:
        scout = self.stream.fork()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="polytask-loader")
        waiting: deque[tuple[Draw, Future[Step]]] = deque()
        try:
            while True:
                while len(waiting) < self.workers * AHEAD:
                    draw = scout.draw()
                    waiting.append((draw, pool.submit(self._step, draw)))
                draw, future = waiting.popleft()
                step = future.result()
                self.stream.follow(draw)
                yield step
        finally:
            # Not waiting: this may run in the garbage collector, even in a thread of the pool. The
            # few batches that are waiting are gathered for nothing: to cancel them needs modules
            # that are gone if the interpreter is ending.
            pool.shutdown(wait=False)

    def _step(self, draw: Draw) -> Step:
        data = self._all if draw.tasks is None else self._of_tasks[frozenset(draw.tasks)]
        rows = {name: data.useful(name, drawn) for name, drawn in draw.rows.items()}
        rows = {name: kept for name, kept in rows.items() if len(kept)}
        whole = {name: kept for name, kept in rows.items() if name in self._uncut}
        batches = self._collate(data, whole)
        for part in self._parts:
            cut = {name: kept[part] for name, kept in rows.items() if name not in whole}
            batches += self._collate(data, cut)
        return Step(draw.step, batches, self._totals(data, rows), draw.tasks or {})

    def _collate(self, data: Narrowed, rows: Mapping[str, Tensor]) -> list[Batch]:
        parts = [(data.splits[name], kept) for name, kept in rows.items() if len(kept)]
        if self.stream.options.joined:
            return [collate(parts)] if parts else []
        return [collate([part]) for part in parts]

    def _totals(self, data: Narrowed, rows: Mapping[str, Tensor]) -> dict[str, float]:
        totals: dict[str, float] = {}
        for name, kept in rows.items():
            copies = self._processes if name in self._uncut else 1
            for task, total in data.splits[name].index.totals(kept).items():
                totals[task] = copies * total
        return totals


def _known(tasks: Iterable[str], splits: Mapping[str, EncodedSplit]) -> list[str]:
    """The tasks, all of which must be carried by some split."""
    carried = {task for split in splits.values() for task in split.targets}
    names = list(tasks)
    for name in names:
        if name not in carried:
            raise unknown("task", name, carried, where="loader")
    return names
