"""Whether models read text with the same tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from polytask.errors import InputError, unknown
from polytask.merging.sources.locate import Location, read_json

__all__ = ["TokenizerChoice", "check_tokenizer_choice", "check_tokenizers", "read_tokens"]

TokenizerChoice = Literal["same", "base"]
"""``same``: all models must have the same tokens. ``base``: the result has those of the base or the
first model; rows of embeddings of the others are matched by token."""

VOCABULARIES = (
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
"""Files that define tokens where there is no tokenizer.json."""

SHOWN = 3
"""Tokens that a message shows."""


def check_tokenizer_choice(name: str) -> None:
    """Refuse an unknown choice.

    Raises:
        InputError: with the nearest one.
    """
    if name not in ("same", "base"):
        raise unknown("tokenizer", name, ("same", "base"))


def check_tokenizers(reference: Location, others: Sequence[Location]) -> None:
    """Refuse models with other tokens.

    Raises:
        InputError: with the first tokens that differ, and what to do about it.
    """
    for other in others:
        if "file" in (reference.layout, other.layout):
            continue
        if difference := _difference(reference.folder, other.folder):
            raise InputError(
                f"{other.path}: its tokenizer is not that of {reference.path}: {difference}; "
                "tokenizer='base' (--tokenizer base) keeps the first one and matches rows by token"
            )


def read_tokens(location: Location) -> dict[str, int] | None:
    """Token -> its number; None if a model has no tokenizer.json.

    Raises:
        InputError: the file is no tokenizer.
    """
    file = location.folder / "tokenizer.json"
    return _tokens(file) if location.layout != "file" and file.is_file() else None


def _difference(one: Path, other: Path) -> str:
    """How the tokens of two folders differ; empty if they do not."""
    both = [folder / "tokenizer.json" for folder in (one, other)]
    if all(file.is_file() for file in both):
        if both[0].read_bytes() == both[1].read_bytes():
            return ""
        return _compare(_tokens(both[0]), _tokens(both[1]))
    for name in VOCABULARIES:
        files = [folder / name for folder in (one, other)]
        if all(file.is_file() for file in files) and files[0].read_bytes() != files[1].read_bytes():
            return f"{name} differs"
    return ""


def _compare(one: Mapping[str, int], other: Mapping[str, int]) -> str:
    names = sorted(token for token in {*one, *other} if one.get(token) != other.get(token))
    if not names:
        return ""
    shown = ", ".join(repr(name) for name in names[:SHOWN]) + (", ..." if names[SHOWN:] else "")
    return f"{len(names)} tokens differ ({shown}), with {len(one)} and {len(other)} tokens in all"


def _tokens(file: Path) -> dict[str, int]:
    tokenizer = read_json(file)
    try:
        vocabulary = tokenizer["model"]["vocab"]
        if isinstance(vocabulary, list):  # a unigram model lists pairs of a token and its score
            vocabulary = {pair[0]: number for number, pair in enumerate(vocabulary)}
        added = {item["content"]: item["id"] for item in tokenizer.get("added_tokens", [])}
        return {str(token): int(number) for token, number in {**vocabulary, **added}.items()}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: is no tokenizer that can be compared: {error!r}") from error
