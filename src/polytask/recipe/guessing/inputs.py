"""Which columns the model should see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from polytask.data.check.groups import looks_like_group
from polytask.recipe.guessing.column import Column

__all__ = ["Inputs", "find_media", "table_inputs"]

Modality = Literal["features", "image", "smiles", "text", "waveform", "words"]

TEXTS = ("text", "sentence", "question", "utterance", "tweet", "review", "comment", "content")
WORDS = ("words", "tokens", "form")


@dataclass(frozen=True)
class Inputs:
    """The input of a data set.

    Args:
        modality: the type of the input.
        options: as a recipe writes them, with ``type``.
        columns: the columns that it takes.
        comments: what was guessed.
    """

    modality: Modality
    options: dict[str, Any]
    columns: tuple[str, ...]
    comments: list[str] = field(default_factory=list)


def find_media(columns: Mapping[str, Column]) -> Inputs | None:
    """The input, if there is sound, a picture, a molecule, words or text; else None."""
    found = list(columns.values())
    return _sound(columns) or _picture(found) or _molecule(found) or _words(found) or _text(found)


def table_inputs(columns: Sequence[Column]) -> Inputs | None:
    """Numeric and categorical columns; None if there is none of either."""
    numeric = [c for c in columns if c.kind in ("number", "list of numbers") or c.values.ndim == 2]
    categorical = [column for column in columns if column.kind == "text" and column not in numeric]
    if not numeric and not categorical:
        return None
    options: dict[str, Any] = {"type": "features"}
    comments: list[str] = []
    if numeric:
        options["numeric"] = [column.name for column in numeric]
    if categorical:
        options["categorical"] = [column.name for column in categorical]
        comments.append("Whole numbers that are codes and not amounts belong to categorical.")
    if any(column.has_missing for column in numeric):
        options["missing"] = "mean"
        comments.append("Missing numbers become the mean of the column in training.")
    return Inputs("features", options, tuple(c.name for c in columns), comments)


def _sound(columns: Mapping[str, Column]) -> Inputs | None:
    if "waveform" not in columns or "sample_rate" not in columns:
        return None
    options = {"type": "waveform", "column": "waveform"}
    return Inputs("waveform", options, ("waveform", "sample_rate"))


def _picture(columns: Sequence[Column]) -> Inputs | None:
    pictures = [column for column in columns if column.values.ndim in (3, 4)]
    if not pictures:
        return None
    name = pictures[0].name
    return Inputs("image", {"type": "image", "column": name}, (name,))


def _molecule(columns: Sequence[Column]) -> Inputs | None:
    found = next((column.name for column in columns if column.is_molecule), None)
    if found is None:
        return None
    comment = "invalid: error stops at a SMILES that cannot be read; zero gives it no features."
    options = {"type": "smiles", "column": found, "invalid": "zero"}
    return Inputs("smiles", options, (found,), [comment])


def _words(columns: Sequence[Column]) -> Inputs | None:
    """Lists of words, if there are labels of words or no text beside them."""
    lists = [column for column in columns if column.kind == "list of words" and column.words > 0]
    if not lists or any((column.lengths == 0).any() for column in lists[:1]):
        return None
    named = [column for column in lists if column.name.lower() in WORDS]
    chosen = named[0] if named else max(lists, key=lambda column: column.distinct)
    others = [column for column in lists if column is not chosen]
    parallel = any(np.array_equal(column.lengths, chosen.lengths) for column in others)
    if not parallel and not named:
        return None
    return Inputs("words", {"type": "words", "column": chosen.name}, (chosen.name,))


def _text(columns: Sequence[Column]) -> Inputs | None:
    named = [c for c in columns if c.kind == "text" and c.name.lower() in TEXTS and c.words >= 1]
    texts = [column for column in columns if column.is_text and not looks_like_group(column.name)]
    if len(texts) == 2:
        first, second = (column.name for column in texts)
        options = {"type": "text", "column": first, "pair": second}
        comment = "Two texts are read as a pair: leave pair out to read one of them only."
        return Inputs("text", options, (first, second), [comment])
    candidates = [c for c in named if c.distinct > 0.3 * c.measured] or texts
    if not candidates:
        return None
    chosen = max(candidates, key=lambda column: column.words).name
    comments = [f"Other texts: {', '.join(c.name for c in texts)}."] if len(texts) > 1 else []
    return Inputs("text", {"type": "text", "column": chosen}, (chosen,), comments)
