"""Any PyTorch module as a backbone.

Shapes: B rows, W words, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from polytask.errors import InputError
from polytask.fields import TextEncoder
from polytask.models.backbones.base import Backbone
from polytask.models.features import Features

__all__ = ["ModuleBackbone"]


class ModuleBackbone(Backbone):
    """Wraps a module of your own, for models that are made in Python.

    A model that is made from a recipe, and can be saved and loaded again, needs options beside the
    module: subclass `BackboneOptions` and name it with ``python:``.

    Args:
        module: maps a field ``[B, ...]``, or with ``field=None`` the mapping of all fields, to
            ``[B, D]``; or to a whole `Features`, for example with features of words.
        width: D.
        field: the field that the module reads.
        blocks: the parts of the module in the order of depth; they hold every parameter. The
            module is one block by default.
        text: turns text into fields, if the module reads text.

    Raises:
        InputError: the blocks do not hold every parameter.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> backbone = ModuleBackbone(nn.Linear(8, 4), width=4, field="numeric")
        >>> backbone({"numeric": torch.zeros(2, 8)}).example.shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        width: int,
        field: str | None = None,
        blocks: Sequence[nn.Module] | None = None,
        text: TextEncoder | None = None,
    ) -> None:
        super().__init__()
        self.module, self.width, self.field, self.text = module, width, field, text
        self._blocks = tuple(blocks) if blocks else (module,)
        inside = {id(p) for block in self._blocks for p in block.parameters()}
        outside = [name for name, p in module.named_parameters() if id(p) not in inside]
        if outside:
            raise InputError(f"backbone: blocks do not hold the parameters {outside[:5]}")

    def forward(self, fields: Mapping[str, Tensor]) -> Features:
        if self.field is not None and self.field not in fields:
            raise InputError(f"backbone: no field {self.field!r}, there are {sorted(fields)}")
        found = self.module(fields if self.field is None else fields[self.field])
        features = found if isinstance(found, Features) else Features(found)
        if features.example.ndim != 2 or features.example.shape[1] != self.width:
            shape = list(features.example.shape)
            raise InputError(f"backbone: features must be [B, {self.width}], got {shape}")
        return features

    def blocks(self) -> Sequence[nn.Module]:
        return self._blocks
