"""The abstract backbone, and the options that make one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from polytask.errors import InputError
from polytask.fields import TextEncoder
from polytask.models.features import Features

__all__ = ["Backbone", "BackboneOptions", "require"]


class Backbone(nn.Module, ABC):
    """Reads the fields of a batch, gives features of one width to all tasks.

    Attributes:
        width: D, the width of the features.
        text: turns text into fields, for backbones that read text.
    """

    width: int
    text: TextEncoder | None = None

    @abstractmethod
    def forward(self, fields: Mapping[str, Tensor]) -> Features:
        """Features of B rows."""

    def blocks(self) -> Sequence[nn.Module]:
        """The parts in the order of depth, from the input on; they hold every parameter."""
        return [self]

    def save_assets(self, folder: Path) -> None:
        """Write what is needed beside the weights to make it again, such as a tokenizer."""


@dataclass(frozen=True, kw_only=True)
class BackboneOptions(ABC):
    """The options of a backbone, as a recipe gives them."""

    @abstractmethod
    def build(self, shapes: Mapping[str, Any], *, assets: Path | None = None) -> Backbone:
        """Make the backbone.

        Args:
            shapes: what the inputs tell of the fields, see `polytask.data.inputs.Input.shapes`.
            assets: a folder that `Backbone.save_assets` wrote; then pretrained weights are not
                read, since the weights of the trained model follow.

        Raises:
            InputError: the backbone cannot read these fields.
        """


def require(shapes: Mapping[str, Any], field: str, *, backbone: str) -> Any:
    """The sizes of a field that a backbone cannot do without.

    Raises:
        InputError: the input does not have it.
    """
    if field not in shapes:
        raise InputError(
            f"backbone {backbone!r} reads {field!r}, but the input gives {sorted(shapes)}"
        )
    return shapes[field]
