"""Embeddings are told by the names of tensors."""

from __future__ import annotations

import pytest

from polytask.merging.engine.embeddings import is_embedding, may_have_token_rows


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("embeddings.word_embeddings.weight", True),
        ("model.embed_tokens.weight", True),
        ("shared.weight", True),
        ("encoder.tok_emb.weight", True),
        ("member.weight", False),
        ("transformer.wpe.weight", True),
        ("visual.positional_embedding", True),
        ("encoder.embedding_hidden_mapping_in.weight", False),
        ("encoder.layer.0.output.dense.weight", False),
        ("shared_expert.weight", False),
        ("lm_head.weight", False),
    ],
)
def test_rows_that_are_looked_up(name: str, expected: bool) -> None:
    assert is_embedding(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.embed_tokens.weight", True),
        ("shared.weight", True),
        ("transformer.wte.weight", True),
        ("lm_head.bias", True),
        ("cls.predictions.bias", True),
        ("transformer.wpe.weight", False),
        ("bert.embeddings.position_embeddings.weight", False),
        ("mlp.shared_expert.gate_proj.weight", False),
        ("encoder.layer.0.output.dense.weight", False),
        ("vocab_projector.bias", True),
        ("output.weight", True),
        ("pred_layer.proj.bias", True),
        ("lm_loss.bias", True),
        ("embed_out.weight", True),
        ("bert.embeddings.LayerNorm.weight", False),
        ("cls.predictions.transform.dense.weight", False),
        ("embeddings_project.weight", False),
    ],
)
def test_rows_of_tokens(name: str, expected: bool) -> None:
    assert may_have_token_rows(name) == expected
