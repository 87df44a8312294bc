"""Two overlapping handwritten digits, made from the digits that come with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polytask.data.sources.base import Source
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.randomness import seeded

__all__ = ["MultiDigits"]

SIZE = 8
"""Height and width of a scikit-learn digit."""
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
"""Shares of the single digits that each split is made of."""


@dataclass(frozen=True, kw_only=True)
class MultiDigits(Source):
    """Two overlapping handwritten digits on one canvas; needs scikit-learn, no download.

    Columns: ``image [12, 12]`` in [0, 16], ``left``, ``right`` (0 to 9), their ``sum``, and ``split``.
    The single digits are split first, so that no stroke of a test image was seen in training.

    Args:
        train: number of training images.
        validation: number of validation images.
        test: number of test images.
        seed: of the pairing and of the positions.

    Raises:
        InputError: scikit-learn is not installed.

    Example:
        >>> table = MultiDigits(train=4, validation=2, test=2).read(None)
        >>> table.column("image").shape
        (8, 12, 12)
    """

    train: int = 3000
    validation: int = 600
    test: int = 1000
    seed: int = 0

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        if path is not None:
            raise InputError(f"source 'multidigits' reads no file, got {path}")
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise InputError("source 'multidigits' needs: pip install scikit-learn") from error
        digits = load_digits()
        rng = seeded(self.seed, "multidigits")
        order = rng.permutation(len(digits.images))
        ends = np.round(np.cumsum(list(SHARES.values())) * len(order)).astype(int)[:-1]
        counts = {"train": self.train, "validation": self.validation, "test": self.test}
        parts = []
        for (split, count), pool in zip(counts.items(), np.split(order, ends), strict=True):
            left, right = rng.choice(pool, count), rng.choice(pool, count)
            columns = {
                "image": _overlap(digits.images[left], digits.images[right], rng),
                "left": digits.target[left],
                "right": digits.target[right],
                "sum": (digits.target[left] + digits.target[right]).astype(np.float64),
                "split": np.array([split] * count, dtype=object),
            }
            parts.append(Table(columns, "multidigits"))
        return Table.concatenate(parts)


def _overlap(left: np.ndarray, right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``[N, 8, 8]`` twice -> ``[N, 12, 12]``: left and right by 4, up and down at random, brighter one on top."""
    canvas = np.zeros((2, len(left), SIZE + 4, SIZE + 4))
    for side, (images, column) in enumerate(((left, 0), (right, 4))):
        for row, (image, top) in enumerate(zip(images, rng.integers(0, 5, len(images)), strict=True)):
            canvas[side, row, top : top + SIZE, column : column + SIZE] = image
    return canvas.max(axis=0)
