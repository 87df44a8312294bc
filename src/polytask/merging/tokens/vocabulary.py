"""Models with other tokens: which of their rows belongs to which token of the result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from polytask.errors import InputError
from polytask.merging.engine.embeddings import has_no_tokens, may_have_token_rows
from polytask.merging.model import Model
from polytask.merging.output.assets import vocabulary_size
from polytask.merging.sources.base import Source
from polytask.merging.sources.by_token import ByToken, Rows
from polytask.merging.tokens.new_tokenizer import NewTokenizer
from polytask.merging.tokens.rows import Knowledge, TokenRow, given_rows, own_rows
from polytask.merging.tokens.tokenizer_file import TOKENIZER, extended, read_tokenizer, tokens_of
from polytask.merging.tokens.tokenizers import TokenizerChoice, check_matchable, read_tokens

__all__ = ["Matched", "by_token", "match", "new_tokenizer"]

IN_LAYER = re.compile(r"\.\d+\.")
"""What the names of tensors in a layer have."""


class Matched(NamedTuple):
    """A model whose rows have the order of the result's tokens.

    Args:
        source: its tensors.
        notes: what a reader should know.
    """

    source: Source
    notes: tuple[str, ...] = ()


def by_token(reference: Model, model: Model) -> Matched:
    """A model whose rows of embeddings have the order of the reference's tokens.

    Where it lacks a token, it has the row of the reference. Where both have the same tokens, or one
    of them has none, the rows are the model's own.

    Raises:
        InputError: the tokens differ, and no tensor has a row for each, or there is no
            ``tokenizer.json``.
    """
    ours, theirs = read_tokens(reference.location), read_tokens(model.location)
    if ours is None or theirs is None:
        check_matchable(reference.location, model.location)
        return Matched(model.source)
    sizes = vocabulary_size(reference.location), vocabulary_size(model.location)
    tables = _tables(reference, sizes[0]) & _tables(model, sizes[1])
    if ours == theirs and (sizes[0] == sizes[1] or not tables):  # other sizes: one is padded
        return Matched(model.source)
    if not tables:
        raise InputError(
            f"{model.location.path}: its tokens are not those of {reference.location.path}, and no "
            "tensor has a row for each of them (as many as vocab_size in config.json says)"
        )
    ours, theirs = _within(ours, sizes[0]), _within(theirs, sizes[1])
    numbers = torch.full((sizes[0] or 0,), -1)
    for token, number in ours.items():
        numbers[number] = theirs.get(token, -1)
    known = len(ours.keys() & theirs.keys())
    note = (
        f"{model.location.path}: rows of {', '.join(sorted(tables))} are matched by token; "
        f"{len(ours) - known} tokens that it lacks stay as they are, "
        f"{len(theirs) - known} of its own are left out{_left(model, tables, sizes[1])}"
    )
    kept = Rows(reference.source, torch.arange(len(numbers)))
    return Matched(ByToken(Rows(model.source, numbers), [kept], tables), (note,))


def new_tokenizer(
    models: Sequence[Model], choice: TokenizerChoice | Path, more: Sequence[str]
) -> NewTokenizer | None:
    """The tokenizer of the result; None if it is that of the first model.

    Args:
        models: what is merged; the first one counts first.
        choice: ``base``, ``union``, or the folder of a tokenizer.
        more: tokens that it needs too.

    Raises:
        InputError: a model has no ``tokenizer.json``, or it cannot be extended.
    """
    if choice == "same" or (choice == "base" and not more):
        return None
    folders = [model.location.folder for model in models]
    files = [folder / TOKENIZER for folder in folders]
    folder = choice if isinstance(choice, Path) else folders[0]
    first, *others = (read_tokenizer(file) for file in (folder / TOKENIZER, *files))
    if choice != "union" and not more:
        return NewTokenizer(folder, first)
    others = others if choice == "union" else []
    return NewTokenizer(folder, extended(first, others, more, str(folder / TOKENIZER)))


def match(
    models: Sequence[Model],
    tokenizer: NewTokenizer,
    chosen: Mapping[str, tuple[int | None, TokenRow]],
    base: int | None,
) -> list[Matched]:
    """All models with the rows of one vocabulary.

    Args:
        models: what is merged.
        tokenizer: of the result.
        chosen: token -> index of the model whose row it gets, if any, and which row.
        base: index of the base among the models.

    Raises:
        InputError: a model has no tensors with a row for each token, or not the row that it is to
            give.
    """
    known = [_knowledge(model) for model in models]
    tables = [_tables(model, one.size) for model, one in zip(models, known, strict=True)]
    tokens = tokenizer.tokens
    given = given_rows(known, tokens, chosen, base)
    rows = [Rows(model.source, numbers) for model, numbers in zip(models, given, strict=True)]
    forced = frozenset(token for token, (_, row) in chosen.items() if row.force)
    return [
        Matched(
            ByToken(Rows(model.source, own_rows(one, tokens, forced)), rows, of_model),
            (_note(one, tokens, of_model) + _left(model, of_model, one.size),),
        )
        for model, one, of_model in zip(models, known, tables, strict=True)
    ]


def _knowledge(model: Model) -> Knowledge:
    label, size = str(model.location.path), vocabulary_size(model.location)
    if size is None or not _tables(model, size):
        raise InputError(
            f"{label}: no tensor has a row for each token (as many as vocab_size in config.json)"
        )
    tokens = tokens_of(read_tokenizer(model.location.folder / TOKENIZER))
    return Knowledge(label, _within(tokens, size), size)


def _note(model: Knowledge, tokens: Mapping[str, int], tables: frozenset[str]) -> str:
    known = len(model.tokens.keys() & tokens.keys())
    return (
        f"{model.label}: rows of {', '.join(sorted(tables))} are matched by token; "
        f"{len(tokens) - known} tokens that it lacks get rows of others, "
        f"{len(model.tokens) - known} of its own are left out"
    )


def _within(tokens: Mapping[str, int], size: int | None) -> dict[str, int]:
    """The tokens that have a row: tokenizers may know more."""
    return {token: number for token, number in tokens.items() if number in range(size or 0)}


def _tables(model: Model, size: int | None) -> frozenset[str]:
    """Names of the tensors that have a row for each token."""
    return frozenset(
        name
        for name, entry in model.source.entries.items()
        if may_have_token_rows(name) and entry.shape[:1] == (size,)
    )


def _left(model: Model, tables: frozenset[str], size: int | None) -> str:
    """Which other tensors look as if they had tokens, as a part of a note."""
    names = [
        name
        for name, entry in model.source.entries.items()
        if name not in tables
        and size in entry.shape
        and not IN_LAYER.search(name)
        and not has_no_tokens(name)
    ]
    return f"; as long as the vocabulary, but not matched: {', '.join(names)}" if names else ""
