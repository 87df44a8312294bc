"""A small residual network for images.

Shapes: B rows, C channels, H height, W width of the image, D width of the features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.models.backbones.base import Backbone, BackboneOptions, require
from polytask.models.features import Features

__all__ = ["ResNet", "ResNetOptions", "ResidualBlock"]

GROUPS = 8
"""Most groups of a GroupNorm; batch statistics would tie an example to its batch."""


def norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with the largest number of groups, at most 8, that divides the channels."""
    return nn.GroupNorm(next(g for g in range(GROUPS, 0, -1) if channels % g == 0), channels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut.

    ``[B, C, H, W] -> [B, C', H / stride, W / stride]``

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016, with GroupNorm.
    """

    def __init__(self, inside: int, outside: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([norm(outside), norm(outside)])
        same = inside == outside and stride == 1
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Conv2d(inside, outside, 1, stride=stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(y)) + self.shortcut(x))


class ResNet(Backbone):
    """A stem, residual blocks that halve the image and widen it, and a mean over positions.

    Args:
        channels: of the image.
        widths: channels of each block; the last is D.
        dropout: share of features dropped while training.
    """

    def __init__(self, channels: int, *, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, padding=1), norm(widths[0]), nn.ReLU()
        )
        inside = [widths[0], *widths[:-1]]
        self.stages = nn.ModuleList(
            ResidualBlock(a, b, stride=1 if index == 0 else 2)
            for index, (a, b) in enumerate(zip(inside, widths, strict=True))
        )
        self.dropout = nn.Dropout(dropout)
        self.width = widths[-1]

    def forward(self, fields: Mapping[str, Tensor]) -> Features:
        return Features(self.dropout(self.maps(fields["image"]).mean(dim=(2, 3))))

    def maps(self, images: Tensor) -> Tensor:
        """The last feature maps: ``[B, C, H, W] -> [B, D, H', W']``."""
        x: Tensor = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return x

    def blocks(self) -> Sequence[nn.Module]:
        return [self.stem, *self.stages]


@dataclass(frozen=True, kw_only=True)
class ResNetOptions(BackboneOptions):
    """A small residual network for images, with GroupNorm.

    Args:
        widths: channels of each residual block; every block but the first halves height and width.
        dropout: share of features dropped while training.
    """

    widths: Sequence[int] = (32, 64, 128)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not self.widths or any(width < 1 for width in self.widths) or not 0 <= self.dropout < 1:
            raise InputError(
                "resnet: give at least one width, each at least 1, and dropout in [0, 1)"
            )

    def build(self, shapes: Mapping[str, Any], *, assets: Path | None = None) -> Backbone:
        channels, _, _ = require(shapes, "image", backbone="resnet")
        return ResNet(channels, widths=self.widths, dropout=self.dropout)
