"""Which tensors belong to embeddings or tokens, by their names."""

from __future__ import annotations

import re

__all__ = ["has_no_tokens", "is_embedding", "may_have_token_rows"]

EMBEDDING = re.compile(
    r"(?:^|[._])(?:emb(?:s|ed(?:ding)?s?)?|embed_\w+|wte|wpe|shared|relative_attention_bias)(?:\.weight)?$"
)
"""Names of the modules whose rows are looked up, in the transformers library."""

OF_TOKENS = re.compile(
    r"embed|wte|lm_head|shared\.|predictions|vocab_projector|lm_loss|pred_layer|^(?:model\.)?output\."
)
"""Parts of names of embeddings of tokens, and of heads over tokens with their biases."""

OF_OTHERS = re.compile(
    r"position|token_type|norm|(?:^|[._])ln_|\btransform\b|_project\.|mapping", re.IGNORECASE
)
"""Parts of names beside these that have no tokens: a width may be as large as the vocabulary."""


def is_embedding(name: str) -> bool:
    """Whether a tensor holds embeddings: its rows are looked up. Heads are none."""
    return EMBEDDING.search(name) is not None


def may_have_token_rows(name: str) -> bool:
    """Whether a tensor may have a row for each token: the number of its rows decides."""
    return OF_TOKENS.search(name) is not None and not has_no_tokens(name)


def has_no_tokens(name: str) -> bool:
    """Whether a tensor is known to have no rows of tokens, however long it is."""
    return OF_OTHERS.search(name) is not None
