"""Work on many items in several threads: PyTorch and NumPy compute without Python's lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch

from polytask.merging.settings import check_count

__all__ = ["Threads", "operations_in_one_thread"]

LARGEST_BLOCK = 30 * 2**20
"""Bytes; a little less than the C library (glibc) accounts for."""

S = TypeVar("S")
T = TypeVar("T")


class Threads:
    """A mapper that works on several items at a time.

    Args:
        count: how many; by default as many as there are processors for this process.

    Raises:
        InputError: it is no integer, or less than one.
    """

    def __init__(self, count: int | None = None) -> None:
        if count is not None:
            check_count("threads", count, least=1)
        self.count = count or len(os.sched_getaffinity(0))

    def __call__(self, function: Callable[[S], T], items: Iterable[S]) -> list[T]:
        work = _Work(function, items)
        threads = [_Thread(work.run) for _ in range(self.count)]
        with operations_in_one_thread():
            try:
                for thread in threads:
                    thread.start()
            except BaseException as error:
                work.stop(error)
            for thread in threads:
                work.wait(thread)
        return work.results()


class _Thread(threading.Thread):
    """A thread that can be waited for again: an interrupted ``join`` says that it has ended."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self._work, self._ended = work, threading.Event()

    def run(self) -> None:
        try:
            self._work()
        finally:
            self._ended.set()

    def wait(self) -> None:
        """Wait until the work is done."""
        self._ended.wait()


class _Work(Generic[S, T]):
    """Items that several threads take one by one; the first error stops them all."""

    def __init__(self, function: Callable[[S], T], items: Iterable[S]) -> None:
        self._function = function
        self._items = enumerate(items)
        self._lock = threading.Lock()
        self._results: dict[int, T] = {}
        self._error: BaseException | None = None

    def run(self) -> None:
        while self._error is None and (taken := self._take()) is not None:
            index, item = taken
            try:
                self._results[index] = self._function(item)
            except BaseException as error:
                self._error = error

    def stop(self, error: BaseException) -> None:
        """Let no thread take another item; `results` raises the error."""
        self._error = error

    def wait(self, thread: _Thread) -> None:
        """Wait for a thread, if it was started; an interruption stops all of them."""
        if thread.ident is None:
            return
        try:
            thread.wait()
        except BaseException as error:
            self.stop(error)
            thread.wait()
        thread.join()

    def results(self) -> list[T]:
        if self._error is not None:
            raise self._error
        return [self._results[index] for index in range(len(self._results))]

    def _take(self) -> tuple[int, S] | None:
        with self._lock:
            return next(self._items, None)


@contextmanager
def operations_in_one_thread() -> Iterator[None]:
    """PyTorch does not split operations: there is a thread for each processor already."""
    # The C library keeps freed memory up to twice the largest block that it ever mapped and freed.
    # Without this it would give back, and fetch again, every intermediate result.
    torch.empty(LARGEST_BLOCK, dtype=torch.uint8)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
