"""Random numbers that depend on a seed and on what they are for, and on nothing else."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from polytask.errors import InputError

__all__ = ["initialised", "seed_all", "seeded"]


def seeded(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator for one purpose.

    Args:
        seed: the user's seed.
        purpose: words and numbers that tell what the numbers are for; equal ones give equal
            numbers.

    Raises:
        InputError: the seed is negative.
    """
    if seed < 0:
        raise InputError(f"seed must not be negative, got {seed}")
    keys = [part if isinstance(part, int) else zlib.crc32(part.encode()) for part in purpose]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *keys])))


def seed_all(seed: int, *purpose: str | int) -> None:
    """Seed the global generators of PyTorch, NumPy and Python for one purpose.

    Training does this before every step, so that a step's noise (dropout, augmentation) is the same
    after a resume, whatever was computed in between.
    """
    number = int(seeded(seed, *purpose).integers(2**63))
    # torch.manual_seed would also queue a call, with a stack trace, for every idle accelerator.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(number)
    np.random.seed(number % 2**32)  # noqa: NPY002 - for users' code that draws from it
    random.seed(number)


@contextmanager
def initialised(seed: int, *purpose: str | int) -> Iterator[None]:
    """A context for making modules: initial values depend on seed and purpose alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seeded(seed, "initial", *purpose).integers(2**63)))
        yield
