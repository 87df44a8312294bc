"""The head of a task: what maps features to outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from polytask.errors import InputError

__all__ = ["HeadOptions", "make_head"]


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """The shape of a task's head.

    Args:
        hidden: widths of hidden layers (ReLU between them); none by default: a linear head.
        dropout: share of features that is dropped before each layer while training, in [0, 1).

    Raises:
        InputError: a width below 1, or a dropout outside [0, 1).
    """

    hidden: Sequence[int] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise InputError(f"head: hidden widths must be 1 or more, got {list(self.hidden)}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"head: dropout must be in [0, 1), got {self.dropout}")


def make_head(
    width: int, options: HeadOptions, last_layer: Callable[[int], nn.Module]
) -> nn.Module:
    """Hidden layers, then the last layer.

    Args:
        width: length of the features.
        options: the hidden layers and the dropout before each layer.
        last_layer: makes the last layer, given the width of what it sees.
    """
    layers: list[nn.Module] = []
    for hidden in options.hidden:
        layers += [*_dropout(options), nn.Linear(width, hidden), nn.ReLU()]
        width = hidden
    layers += [*_dropout(options), last_layer(width)]
    return nn.Sequential(*layers) if len(layers) > 1 else layers[0]


def _dropout(options: HeadOptions) -> list[nn.Module]:
    return [nn.Dropout(options.dropout)] if options.dropout else []
