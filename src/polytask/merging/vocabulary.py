"""Models with other tokens than the base: which of their rows belongs to which token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from polytask.errors import InputError
from polytask.merging.assets import vocabulary_size
from polytask.merging.sources.base import Source
from polytask.merging.sources.by_token import ByToken
from polytask.merging.sources.locate import Location
from polytask.merging.tokenizers import read_tokens

__all__ = ["Model", "by_token"]

TABLES = ("embed", "wte", "lm_head", "shared", "predictions")
"""Parts of names of tensors with a row for each token; `POSITIONS` have none."""

POSITIONS = "position"


class Model(NamedTuple):
    """A model on disk.

    Args:
        location: its files.
        source: its tensors.
    """

    location: Location
    source: Source


def by_token(reference: Model, model: Model) -> tuple[Source, tuple[str, ...]]:
    """A model whose rows of embeddings have the order of the reference's tokens.

    Returns:
        The tensors, and what a reader should know. Where both have the same tokens, or one of them
        has no ``tokenizer.json``, they are the model's own.

    Raises:
        InputError: the tokens differ, and no tensor has a row for each.
    """
    ours, theirs = read_tokens(reference.location), read_tokens(model.location)
    if ours is None or theirs is None or ours == theirs:
        return model.source, ()
    sizes = vocabulary_size(reference.location), vocabulary_size(model.location)
    tables = _tables(reference, model, sizes)
    if not tables:
        raise InputError(
            f"{model.location.path}: its tokens are not those of {reference.location.path}, and no "
            "tensor has a row for each of them (as many as vocab_size in config.json says)"
        )
    ours, theirs = _within(ours, sizes[0]), _within(theirs, sizes[1])
    rows = {number: theirs[token] for token, number in ours.items() if token in theirs}
    note = (
        f"{model.location.path}: rows of {', '.join(sorted(tables))} are matched by token; "
        f"{len(ours) - len(rows)} tokens that it lacks stay as they are, "
        f"{len(theirs) - len(rows)} of its own are left out"
    )
    return ByToken(model.source, reference.source, tables, rows), (note,)


def _within(tokens: Mapping[str, int], size: int | None) -> dict[str, int]:
    """The tokens that have a row: tokenizers may know more."""
    return {token: number for token, number in tokens.items() if number in range(size or 0)}


def _tables(reference: Model, model: Model, sizes: tuple[int | None, int | None]) -> frozenset[str]:
    """Names of the tensors of both that have a row for each token."""
    entries = reference.source.entries, model.source.entries
    return frozenset(
        name
        for name in entries[0]
        if name in entries[1]
        and any(part in name for part in TABLES)
        and POSITIONS not in name
        and (entries[0][name].shape[:1], entries[1][name].shape[:1]) == ((sizes[0],), (sizes[1],))
    )
