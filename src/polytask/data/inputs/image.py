"""Images of one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from polytask.data.inputs.base import Input
from polytask.data.table import Table
from polytask.errors import InputError
from polytask.fields import Dense, Field, TextEncoder

__all__ = ["Image"]

CHUNK = 1024
"""Images that are turned into float64 at once."""


@dataclass(frozen=True, kw_only=True)
class Image(Input):
    """One image per example, all of one size, standardised per channel.

    Args:
        column: the column of the images, ``[H, W]`` or ``[H, W, C]`` each.
        mean: per channel, found by `fit`.
        std: per channel, found by `fit`.
        size: ``[C, H, W]``, found by `fit`.

    Raises:
        InputError: the column holds no images of one size, or values that are not finite.
    """

    column: str = "image"
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    size: Sequence[int] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def fit(self, table: Table) -> Self:
        super().fit(table)
        images = self._images(table)
        _, height, width, channels = images.shape
        mean, std = _moments(images)
        return replace(self, mean=mean, std=std, size=(channels, height, width))

    def encode(self, table: Table, text: TextEncoder | None = None) -> dict[str, Field]:
        images = self._images(table)
        channels, height, width = self.size or (0, 0, 0)
        if images.shape[1:] != (height, width, channels):
            raise InputError(
                f"{table.origin}: column {self.column!r}: images are {images.shape[1:]} (height, "
                f"width, channels), in training they were {(height, width, channels)}"
            )
        pixels = torch.from_numpy(np.require(images, requirements="W")).permute(0, 3, 1, 2)
        scaled = pixels.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        mean, std = (torch.tensor(x)[:, None, None] for x in (self.mean, self.std))
        return {"image": Dense(scaled.sub_(mean).div_(std))}

    def shapes(self) -> Mapping[str, Any]:
        return {"image": tuple(self.size or ())}

    def _images(self, table: Table) -> np.ndarray:
        """``[N, H, W, C]`` as stored: bytes stay bytes, since many images fill the memory."""
        images = table.column(self.column)
        if images.dtype == object:
            images = _stacked(table, self.column)
        if images.ndim not in (3, 4):
            raise InputError(
                f"{table.origin}: column {self.column!r} must hold images [H, W] or [H, W, C], "
                f"got values of shape {images.shape[1:]}"
            )
        if images.dtype.kind == "f":
            wrong = np.flatnonzero(~np.isfinite(images).reshape(len(images), -1).all(axis=1))
            if len(wrong):
                place = table.place(int(wrong[0]))
                raise InputError(f"{place}: column {self.column!r} has values that are not finite")
        return images[..., None] if images.ndim == 3 else images


def _stacked(table: Table, name: str) -> np.ndarray:
    """Images that came one by one as one array."""
    images: list[np.ndarray] = []
    for row, value in enumerate(table.column(name)):
        image = np.asarray(value)
        if image.dtype.kind not in "biuf":
            raise InputError(f"{table.place(row)}: column {name!r} must be an image, got {value!r}")
        if images and image.shape != images[0].shape:
            raise InputError(
                f"{table.place(row)}: column {name!r}: an image of size {image.shape}, "
                f"others are {images[0].shape}"
            )
        images.append(image)
    return np.stack(images)


def _moments(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel; deviation 1 where a channel is constant."""
    parts = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    pixels = images[..., 0].size
    sums = [part.sum(axis=(0, 1, 2), dtype=np.float64) for part in parts]
    mean = np.sum(sums, axis=0) / pixels
    squares = [((part - mean) ** 2).sum(axis=(0, 1, 2)) for part in parts]
    std = np.sqrt(np.sum(squares, axis=0) / pixels)
    constant = images.min(axis=(0, 1, 2)) == images.max(axis=(0, 1, 2))
    return mean.tolist(), np.where(constant, 1.0, std).tolist()
