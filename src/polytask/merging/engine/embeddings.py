"""Which tensors belong to embeddings or tokens, by their names."""

from __future__ import annotations

import re

__all__ = ["is_embedding", "may_have_token_rows"]

EMBEDDING = re.compile(
    r"(?:^|[._])(?:emb(?:s|ed(?:ding)?s?)?|embed_\w+|wte|wpe|shared|relative_attention_bias)(?:\.weight)?$"
)
"""Names of the modules whose rows are looked up, in the transformers library."""

OF_TOKENS = ("embed", "wte", "lm_head", "shared.", "predictions")
"""Parts of names of embeddings of tokens, and of heads over tokens with their biases."""

POSITION = "position"
"""Part of the names of embeddings that have no tokens."""


def is_embedding(name: str) -> bool:
    """Whether a tensor holds embeddings: its rows are looked up. Heads are none."""
    return EMBEDDING.search(name) is not None


def may_have_token_rows(name: str) -> bool:
    """Whether a tensor may have a row for each token: the number of its rows decides."""
    return POSITION not in name and any(part in name for part in OF_TOKENS)
