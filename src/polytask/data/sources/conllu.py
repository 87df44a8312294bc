"""Treebanks in the format of Universal Dependencies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import object_array
from polytask.data.sources.conll import sentences
from polytask.data.sources.files import existing, read_lines
from polytask.data.sources.options import check_names
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["CoNLLU"]

FIELDS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
COLUMNS = ("id", "form", "lemma", "upos", "xpos", "head", "deprel")
"""The fields that become columns as they are."""
PREFIX = "feats."
ABSENT = "_"
TEXT = "# text = "


@dataclass(frozen=True)
class _Sentence:
    line: int
    text: str
    words: list[list[str]]
    features: list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class CoNLLU(Source):
    """Read a treebank in CoNLL-U: words, lemmas, parts of speech, features, syntax; also gzipped.

    One row per sentence. ``id`` and ``head`` are lists of integers, ``form``, ``lemma``, ``upos``,
    ``xpos``, ``deprel`` and ``feats.<Feature>`` lists of words (``_`` where a word lacks the
    feature), ``text`` is the sentence (the words with spaces, if the file does not give it).
    Multiword tokens (``3-4``) and empty nodes (``5.1``) are skipped.

    Args:
        feats: the features that become columns. Default: all of the training file.
        heads: whether words have heads; False for a file without syntax, which then has no column
            ``head``. Default True.

    Raises:
        InputError: on reading: a line without ten columns, an id out of order, a head that is no
            word of the sentence.

    Example:
        >>> CoNLLU(feats=("Number", "Tense")).feats
        ('Number', 'Tense')

    References:
        https://universaldependencies.org/format.html
    """

    feats: tuple[str, ...] | None = None
    heads: bool = True

    def __post_init__(self) -> None:
        if self.feats is not None and len(self.feats):
            check_names("feats", self.feats)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        blocks = sentences(read_lines(path))
        found = [s for s in (self._sentence(block, path) for block in blocks) if s.words]
        columns = {"text": object_array(sentence.text for sentence in found)}
        for name in COLUMNS if self.heads else (n for n in COLUMNS if n != "head"):
            convert: Callable[[str], str | int] = int if name in ("id", "head") else str
            columns[name] = _field(found, FIELDS.index(name), convert)
        for feature in self._features(found, like):
            columns[PREFIX + feature] = object_array(
                [word.get(feature, ABSENT) for word in s.features] for s in found
            )
        lines = np.array([sentence.line for sentence in found], dtype=np.int64)
        return checked_table(columns, str(path), lines)

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Words need no heads, and features only if they are needed; see `Source.for_inputs`."""
        feats = tuple(n.removeprefix(PREFIX) for n in columns if n.startswith(PREFIX))
        return replace(self, feats=feats, heads="head" in columns)

    def _sentence(self, block: list[tuple[int, str]], path: Path) -> _Sentence:
        text = next((line.removeprefix(TEXT) for _, line in block if line.startswith(TEXT)), "")
        words: list[list[str]] = []
        lines: list[int] = []
        for number, line in block:
            cells = line.split("\t")
            if line.startswith("#") or _is_extra(cells[0]):
                continue
            _check_word(cells, len(words) + 1, f"{path}, line {number}")
            words.append(cells)
            lines.append(number)
        if self.heads:
            _check_heads(words, lines, path)
        features = [
            _parse_features(w[5], f"{path}, line {n}") for w, n in zip(words, lines, strict=True)
        ]
        sentence = text or " ".join(word[1] for word in words)
        return _Sentence(lines[0] if lines else 0, sentence, words, features)

    def _features(self, found: Sequence[_Sentence], like: Table | None) -> list[str]:
        if self.feats is not None:
            return list(self.feats)
        if like is not None:
            return [n.removeprefix(PREFIX) for n in like.columns if n.startswith(PREFIX)]
        return sorted({name for s in found for word in s.features for name in word})


def _field(
    found: Sequence[_Sentence], index: int, convert: Callable[[str], str | int]
) -> np.ndarray:
    return object_array([convert(word[index]) for word in sentence.words] for sentence in found)


def _is_extra(identifier: str) -> bool:
    """A multiword token or an empty node."""
    return "-" in identifier[1:] or "." in identifier[1:]


def _check_word(cells: list[str], position: int, place: str) -> None:
    if len(cells) != len(FIELDS):
        wanted = f"expected {len(FIELDS)} columns with tabs between them"
        raise InputError(f"{place}: {wanted}, got {len(cells)}")
    if cells[0] != str(position):
        raise InputError(f"{place}, column 'id': expected {position}, got {cells[0]!r}")


def _check_heads(words: list[list[str]], lines: list[int], path: Path) -> None:
    valid = {str(position) for position in range(len(words) + 1)}
    for word, line in zip(words, lines, strict=True):
        if word[6] not in valid:
            wanted = f"expected a number from 0 to {len(words)}"
            raise InputError(f"{path}, line {line}, column 'head': {wanted}, got {word[6]!r}")


def _parse_features(cell: str, place: str) -> dict[str, str]:
    if cell == ABSENT:
        return {}
    pairs = [item.partition("=") for item in cell.split("|")]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise InputError(f"{place}, column 'feats': expected Name=Value|..., got {cell!r}")
    return {name: value for name, _, value in pairs}
