"""Networks of numeric and categorical columns.

Shapes: B rows, N numbers, C categorical columns, D width.
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

__all__ = ["MLP", "Columns", "Linear", "MLPOptions"]


class Columns(nn.Module):
    """Numbers beside the embeddings of categories.

    ``numeric [B, N], categorical [B, C] -> [B, N + C E]``

    Args:
        numbers: N.
        categories: number of categories of each categorical column.
        embedding: E, width of an embedding.
    """

    def __init__(self, numbers: int, categories: Sequence[int], *, embedding: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count, embedding) for count in categories)
        self.numbers = numbers
        self.width = numbers + len(categories) * embedding

    def forward(self, fields: Mapping[str, Tensor]) -> Tensor:
        """``[B, width]``."""
        parts = [fields["numeric"].float()] if self.numbers else []
        for column, embedding in enumerate(self.embeddings):
            parts.append(embedding(fields["categorical"][:, column]))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


class MLP(Backbone):
    """Fully connected layers with ReLU on numbers and embedded categories.

    Args:
        columns: the first layer.
        hidden: widths of the layers; none is the columns themselves (a linear model).
        dropout: share of activations dropped after each layer while training.
    """

    def __init__(self, columns: Columns, *, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.columns = columns
        widths = [columns.width, *hidden]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, hidden, strict=False))
        self.dropout = nn.Dropout(dropout)
        self.width = widths[-1]

    def forward(self, fields: Mapping[str, Tensor]) -> Features:
        x = self.columns(fields)
        for layer in self.layers:
            x = self.dropout(torch.relu(layer(x)))
        return Features(x)

    def blocks(self) -> Sequence[nn.Module]:
        return [self.columns, *self.layers]


@dataclass(frozen=True, kw_only=True)
class MLPOptions(BackboneOptions):
    """Fully connected layers with ReLU on numeric columns and embedded categorical columns.

    Args:
        hidden: widths of the layers.
        dropout: share of activations dropped after each layer while training.
        embedding: width of the embedding of a categorical column.
    """

    hidden: Sequence[int] = (256, 128)
    dropout: float = 0.0
    embedding: int = 16

    def __post_init__(self) -> None:
        if (
            any(width < 1 for width in self.hidden)
            or not 0 <= self.dropout < 1
            or self.embedding < 1
        ):
            raise InputError("mlp: widths must be at least 1 and dropout in [0, 1)")

    def build(self, shapes: Mapping[str, Any], *, assets: Path | None = None) -> Backbone:
        if "image" in shapes:
            raise InputError("backbone 'mlp' reads columns, not images; use 'resnet'")
        numbers = require(shapes, "numeric", backbone="mlp")
        columns = Columns(numbers, shapes.get("categorical", ()), embedding=self.embedding)
        return MLP(columns, hidden=self.hidden, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class Linear(BackboneOptions):
    """The columns themselves, so that heads are linear models of them.

    Args:
        embedding: width of the embedding of a categorical column.
    """

    embedding: int = 16

    def build(self, shapes: Mapping[str, Any], *, assets: Path | None = None) -> Backbone:
        return MLPOptions(hidden=(), embedding=self.embedding).build(shapes)
