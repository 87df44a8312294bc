"""Ctrl-C and SIGTERM outside of the steps of a run: a message and exit code 1, as within them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from polytask.errors import RunError

__all__ = ["stoppable"]


@contextmanager
def stoppable(out: Path, *, otherwise: str = "nothing begun") -> Iterator[None]:
    """While entered, a request to stop ends what is going on, and what was written stays whole.

    The steps of a run note such a request themselves, and write a checkpoint.

    Args:
        out: the folder of the experiment, for the message.
        otherwise: what the message says where there is no experiment.

    Raises:
        RunError: the command was asked to stop.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        hint = f"--resume goes on with {out}" if (out / "recipe.yaml").exists() else otherwise
        raise RunError(f"stopped; {hint}") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
