"""Work in threads, and what an interruption leaves of it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from polytask.merging.engine.threads import Threads


def test_results_keep_their_order() -> None:
    assert Threads(3)(lambda x: x * x, range(100)) == [x * x for x in range(100)]


def test_an_error_is_raised_and_stops_the_others() -> None:
    seen = []

    def work(item: int) -> None:
        seen.append(item)
        if item == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        Threads(2)(work, range(10**6))
    assert len(seen) < 10**6


def test_an_interruption_waits_for_what_is_under_way() -> None:
    """No thread is at work when the caller goes on."""
    begun, ended = threading.Event(), []

    def work(item: int) -> None:
        begun.set()
        time.sleep(0.5)
        ended.append(item)

    def interrupt() -> None:
        begun.wait()
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        Threads(1)(work, range(10))
    assert ended == [0]
