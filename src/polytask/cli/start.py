"""Starting fast."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["load_merging", "without_collection"]


@contextmanager
def without_collection() -> Iterator[None]:
    """While entered, no garbage is looked for: for imports, which make many objects and no garbage.

    What was made is not looked at again later either. That saves about a tenth of the time that
    importing PyTorch takes.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()


def load_merging() -> None:
    """Import what commands that merge need, before anything else imports a part of it."""
    with without_collection():
        import polytask.merging  # noqa: F401
