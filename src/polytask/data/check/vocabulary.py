"""Words: how many a text has, how many different ones there are, how many are new elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.wording import percent
from polytask.data.inputs.features import Features
from polytask.data.inputs.smiles import Smiles

__all__ = ["find"]


def find(examined: Examined) -> Iterator[Finding]:
    """Words per text and vocabulary of every text column of the input; or lengths of sequences."""
    if isinstance(examined.data.input, Smiles | Features):
        return
    for name in examined.columns:
        if examined.train.columns[name].dtype != object:
            continue
        known: Counter[str] = Counter()
        for split, table in examined.data.tables.items():
            yield _column(examined, name, split, table.columns[name], known)


def _column(
    examined: Examined, name: str, split: str, column: np.ndarray, known: Counter[str]
) -> Finding:
    """The finding for one column; words of the training split, which comes first, become known."""
    texts = [_words(value) for value in column]
    lengths = np.array([_length(v, words) for v, words in zip(column, texts, strict=True)])
    low, median, most, high = np.quantile(lengths, (0, 0.5, 0.95, 1)).round().astype(int).tolist()
    details = {"min": low, "median": median, "95 %": most, "max": high}
    counts = Counter(word for words in texts for word in words)
    unit = "words" if counts else "samples"
    said = f"{unit} per example: {low:,} to {high:,}, median {median:,}, 95 % up to {most:,}"
    if counts:
        details["vocabulary"] = len(counts)
        said += f"; {len(counts):,} different words"
    if split != "train" and counts:
        new = sum(count for word, count in counts.items() if word not in known)
        details["new"] = new
        said += f", {percent(new, counts.total())} of all words are not in training"
    known.update(counts if split == "train" else ())
    return Finding(
        level="note",
        kind="vocabulary",
        message=said,
        data=examined.name,
        split=split,
        column=name,
        details=details,
    )


def _words(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return value.split()
    return [str(word) for word in value] if isinstance(value, list | tuple) else ()


def _length(value: object, words: Sequence[str]) -> int:
    return len(value) if isinstance(value, np.ndarray) else len(words)
