"""The file `tokenizer.json`: which tokens it knows, and how it gets more of them.

More tokens are appended as added tokens, which every kind of model has (BPE, WordPiece, WordLevel,
Unigram). A token that another model has added (a special token, a chat marker) keeps its settings.
One from another model's own vocabulary is found where it stands alone as a word, so that no word of
the first tokenizer is cut by it; pieces of words of the other tokenizer are never found in a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polytask.errors import InputError
from polytask.merging.sources.locate import read_json

__all__ = ["TOKENIZER", "extended", "read_tokenizer", "tokens_of"]

TOKENIZER = "tokenizer.json"

KINDS = ("BPE", "WordPiece", "WordLevel", "Unigram")
"""The models of the tokenizers library."""

PLAIN = {"lstrip": False, "rstrip": False, "normalized": False, "special": False}
"""Settings of a token that no tokenizer has added."""


def read_tokenizer(file: Path) -> dict[str, Any]:
    """The content of a file.

    Raises:
        InputError: it is no tokenizer.
    """
    found = read_json(file)
    try:
        _check(found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: is no tokenizer that can be compared: {error!r}") from error
    assert isinstance(found, dict)
    return found


def _check(tokenizer: Mapping[str, Any]) -> None:
    """Refuse tokens that are no texts, and numbers that are none.

    Raises:
        ValueError: and others, for other things that cannot be in such a file.
    """
    vocabulary = tokenizer["model"]["vocab"]
    if isinstance(vocabulary, list) and tokenizer["model"].get("type", "Unigram") != "Unigram":
        raise ValueError("a list of tokens, in a model that is no Unigram")
    added = [(item["content"], item["id"]) for item in tokenizer.get("added_tokens", [])]
    for token, number in [*_vocabulary(tokenizer).items(), *added]:
        if not isinstance(token, str) or type(number) is not int or number < 0:
            raise ValueError(f"token {token!r} has the number {number!r}")


def tokens_of(tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """Token -> its number."""
    added = {item["content"]: item["id"] for item in tokenizer.get("added_tokens", [])}
    return {**_vocabulary(tokenizer), **added}


def _vocabulary(tokenizer: Mapping[str, Any]) -> Mapping[str, int]:
    """The tokens that are not added ones."""
    found = tokenizer["model"]["vocab"]
    if isinstance(found, list):  # a unigram model lists pairs of a token and its score
        return {pair[0]: number for number, pair in enumerate(found)}
    return dict(found)


def extended(
    tokenizer: Mapping[str, Any],
    others: Iterable[Mapping[str, Any]],
    more: Iterable[str],
    where: str,
) -> dict[str, Any]:
    """A tokenizer with the tokens of others too; its own keep their numbers.

    Args:
        tokenizer: the first one.
        others: in the order in which their tokens are appended: those of all vocabularies, then
            those that were added.
        more: tokens that come after them.
        where: the file of the first one, for messages.

    Raises:
        InputError: its kind is unknown, or its numbers have gaps.
    """
    kind = tokenizer["model"].get("type")
    if kind not in KINDS:
        raise InputError(f"{where}: a tokenizer of type {kind!r}; known are {', '.join(KINDS)}")
    known = tokens_of(tokenizer)
    if sorted(known.values()) != list(range(len(known))):  # the library would number them anew
        raise InputError(f"{where}: its tokens are not numbered from 0 without gaps")
    items = {token: item for token, item in _new(others, more) if token not in known}
    numbered = [{"id": n, **item} for n, item in enumerate(items.values(), len(known))]
    return {**tokenizer, "added_tokens": [*tokenizer.get("added_tokens", []), *numbered]}


def _new(
    others: Iterable[Mapping[str, Any]], more: Iterable[str]
) -> Iterable[tuple[str, dict[str, Any]]]:
    """Tokens and their settings, those that were added last; of equal ones the first counts."""
    others = list(others)
    added: dict[str, dict[str, Any]] = {}
    for one in others:
        for item in one.get("added_tokens", []):
            added.setdefault(item["content"], item)
    for one in others:
        numbers = _vocabulary(one)
        for token in sorted(numbers, key=numbers.__getitem__):
            if token not in added:
                yield token, {"content": token, "single_word": True, **PLAIN}
    for token, item in added.items():
        yield token, {key: value for key, value in item.items() if key != "id"}
    for token in more:
        if token not in added:
            yield token, {"content": token, "single_word": False, **PLAIN}
