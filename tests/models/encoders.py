"""Tiny encoders of the transformers library with random weights, made without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "##c", "##d"]

SIZE = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 20,
    "pad_token_id": 0,
}

KINDS: dict[str, dict[str, Any]] = {
    "bert": SIZE,
    "roberta": SIZE,
    "distilbert": {
        "vocab_size": len(VOCABULARY),
        "dim": 8,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 12,
        "max_position_embeddings": 20,
        "pad_token_id": 0,
    },
    "modernbert": {
        **SIZE,
        "embedding_dropout": 0.1,
        "cls_token_id": 2,
        "sep_token_id": 3,
        "bos_token_id": 2,
        "eos_token_id": 3,
    },
}
"""Kind of encoder -> its configuration."""


def save_encoder(kind: str, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a folder as `from_pretrained` reads it."""
    from transformers import AutoConfig, AutoModel, BertTokenizerFast

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **KINDS[kind])
    AutoModel.from_config(config).to(dtype).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    BertTokenizerFast(vocab=vocabulary, do_lower_case=True).save_pretrained(folder)
