"""Whether models read text with the same tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from polytask.errors import InputError, unknown
from polytask.merging.sources.locate import Location
from polytask.merging.tokens.tokenizer_file import TOKENIZER, read_tokenizer, tokens_of

__all__ = [
    "TokenizerChoice",
    "as_choice",
    "check_matchable",
    "check_tokenizer_choice",
    "check_tokenizers",
    "read_tokens",
]

TokenizerChoice = Literal["same", "base", "union"]
"""``same``: all models must have the same tokens. ``base``: the result has those of the base or the
first model; rows of embeddings of the others are matched by token. ``union``: the result has those
of all."""

CHOICES = ("same", "base", "union")


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


def check_tokenizer_choice(choice: str | Path) -> None:
    """Refuse what is neither a choice nor a folder with a tokenizer.

    Raises:
        InputError: with the nearest choice.
    """
    if isinstance(choice, Path):
        if not (choice / TOKENIZER).is_file():
            raise InputError(f"tokenizer: {choice} holds no {TOKENIZER}")
    elif choice not in CHOICES:
        raise unknown("tokenizer", choice, CHOICES)


def as_choice(value: object, folder: Path) -> TokenizerChoice | Path:
    """A choice of a tokenizer that is written as a text.

    Args:
        value: a choice, or the path of a folder with a tokenizer.
        folder: that the path is relative to.

    Raises:
        InputError: it is neither; with the nearest choice.
    """
    if value in CHOICES:
        return cast(TokenizerChoice, value)
    if not isinstance(value, str | Path) or not (folder / value).is_dir():
        raise unknown("tokenizer", value, [*CHOICES, "a folder with a tokenizer"])
    return folder / value


def check_tokenizers(reference: Location, others: Sequence[Location]) -> list[str]:
    """Refuse models with other tokens.

    Returns:
        Notes on models whose tokens cannot be compared.

    Raises:
        InputError: with the first tokens that differ, and what to do about it.
    """
    notes = []
    for other in others:
        if "file" in (reference.layout, other.layout):
            continue
        if difference := _difference(reference.folder, other.folder):
            raise InputError(
                f"{other.path}: its tokenizer is not that of {reference.path}: {difference}; "
                f"{_advice(reference.folder, other.folder)}"
            )
        if not _are_comparable(reference.folder, other.folder):
            notes.append(
                f"{other.path}: its tokens are in another file than those of {reference.path}: "
                "they were not compared"
            )
    return notes


def check_matchable(reference: Location, model: Location) -> None:
    """Refuse to match rows of models whose tokens are not known to be the same.

    Args:
        reference: whose tokens the result has.
        model: one of the two has no ``tokenizer.json``.

    Raises:
        InputError: names the one that has none.
    """
    if "file" in (reference.layout, model.layout):
        return
    folders = reference.folder, model.folder
    if _difference(*folders) or not _are_comparable(*folders):
        lacking = next(one for one in (model, reference) if not (one.folder / TOKENIZER).is_file())
        raise InputError(
            f"{lacking.path}: has no {TOKENIZER}: rows of its embeddings cannot be matched by token"
        )


def _advice(one: Path, other: Path) -> str:
    """What can be done about other tokens."""
    if all((folder / TOKENIZER).is_file() for folder in (one, other)):
        return (
            "tokenizer='base' (--tokenizer base) keeps the first one and matches rows by token, "
            "'union' makes one of all"
        )
    return f"rows can be matched by token if both have a {TOKENIZER}"


def _are_comparable(one: Path, other: Path) -> bool:
    """Whether one of two folders has no tokens, or both have a file of the same kind."""
    ours, theirs = (
        {name for name in (TOKENIZER, *VOCABULARIES) if (folder / name).is_file()}
        for folder in (one, other)
    )
    return not ours or not theirs or bool(ours & theirs)


def read_tokens(location: Location) -> dict[str, int] | None:
    """Token -> its number; None if a model has no tokenizer.json.

    Raises:
        InputError: the file is no tokenizer.
    """
    file = location.folder / TOKENIZER
    return tokens_of(read_tokenizer(file)) if location.layout != "file" and file.is_file() else None


def _difference(one: Path, other: Path) -> str:
    """How the tokens of two folders differ; empty if they do not."""
    both = [folder / TOKENIZER for folder in (one, other)]
    if all(file.is_file() for file in both):
        if both[0].read_bytes() == both[1].read_bytes():
            return ""
        return _compare(*(tokens_of(read_tokenizer(file)) for file in both))
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
