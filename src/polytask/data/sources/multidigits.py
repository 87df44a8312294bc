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

    Columns: ``image [12, 12]`` in [0, 16], ``left``, ``right`` (0 to 9), their ``sum``, ``split``.
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
        pools = np.split(order, ends)
        return Table.concatenate(
            [
                _pairs(split, digits.images[pool], digits.target[pool], count, rng)
                for (split, count), pool in zip(counts.items(), pools, strict=True)
            ]
        )


def _pairs(
    split: str, images: np.ndarray, labels: np.ndarray, count: int, rng: np.random.Generator
) -> Table:
    """Pairs of digits ``[N, 8, 8]`` drawn at random."""
    left, right = rng.integers(0, len(images), (2, count))
    columns = {
        "image": _overlap(images[left], images[right], rng),
        "left": labels[left],
        "right": labels[right],
        "sum": (labels[left] + labels[right]).astype(np.float64),
        "split": np.array([split] * count, dtype=object),
    }
    return Table(columns, "multidigits")


def _overlap(left: np.ndarray, right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``[N, 8, 8]`` twice -> ``[N, 12, 12]``: 4 columns apart, up and down at random, maximum."""
    canvas = np.zeros((2, len(left), SIZE + 4, SIZE + 4))
    for side, (images, column) in enumerate(((left, 0), (right, 4))):
        for row, top in enumerate(rng.integers(0, 5, len(images))):
            canvas[side, row, top : top + SIZE, column : column + SIZE] = images[row]
    overlapped: np.ndarray = canvas.max(axis=0)
    return overlapped
