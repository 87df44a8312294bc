"""Which source reads a file, and with which options, judged by its name and its content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data.sources.files import existing, read_bytes, read_text
from polytask.data.sources.guess import guess_source
from polytask.errors import InputError
from polytask.recipe.guessing.delimited import Layout, find_layout
from polytask.recipe.guessing.file_names import name_pattern
from polytask.recipe.guessing.groups import is_parallel
from polytask.recipe.guessing.parallel import parallel_options

__all__ = ["Sniffed", "sniff"]

LINES = 2000
"""Lines that are looked at."""

FEW_LABELS = 100
"""Most different first words of lines for them to be labels."""


@dataclass(frozen=True)
class Sniffed:
    """A source with its options, as a recipe writes it, and what was found.

    Args:
        options: with ``type``.
        comments: what was guessed.
    """

    options: dict[str, Any]
    comments: list[str] = field(default_factory=list)


def sniff(path: Path) -> Sniffed:
    """The source that reads a file or folder.

    Raises:
        InputError: the file is absent, empty, or nothing that a source reads.
    """
    path = existing(path, folder=None)
    try:
        name = guess_source(path)
    except InputError:
        return _by_content(path)
    if name in BY_NAME:
        return BY_NAME[name](path, name)
    return Sniffed({"type": name})


def _by_content(path: Path) -> Sniffed:
    if path.is_dir():
        if is_parallel(path):
            return Sniffed(*parallel_options(path))
        raise InputError(f"{path}: cannot tell what is in this folder; name the files in it")
    text, extra = _text(path)
    for look in (_marked, _blocks, _table, _labelled):
        found = look(text)
        if found is not None:
            return Sniffed({**found.options, **extra}, found.comments)
    raise InputError(
        f"{path}: cannot tell what kind of file this is: no rows of equally many cells, no word "
        "per line, no 'label text' lines. Give it an ending such as .csv, .tsv, .jsonl or .conll"
    )


def _text(path: Path) -> tuple[str, dict[str, Any]]:
    """The text, and the encoding if it is not the usual one."""
    try:
        read_bytes(path).decode()
    except UnicodeDecodeError:
        return read_text(path, encoding="latin-1"), {"encoding": "latin-1"}
    return read_text(path), {}


def _marked(text: str) -> Sniffed | None:
    """Files whose first line says what they are."""
    first = next(line for line in text.splitlines() if line.strip())
    if first.lower().startswith("@relation"):
        return Sniffed({"type": "arff"})
    if first.startswith("{"):
        try:
            return Sniffed({"type": "jsonl"}) if isinstance(json.loads(first), dict) else None
        except ValueError:
            return None
    return None


def _blocks(text: str) -> Sniffed | None:
    """A word and its labels per line, an empty line after each sentence."""
    lines = text.strip("\n").splitlines()[:LINES]
    comment = "-DOCSTART-" if any(line.startswith("-DOCSTART-") for line in lines) else None
    words = [line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    if any(len(line.split("\t")) == 10 for line in words[:1]):
        return Sniffed({"type": "conllu"})
    widths = {len(re.split("[ \t]+", line.strip(" \t"))) for line in words}
    if len(widths) != 1 or min(widths) < 2 or len(words) == len(lines):
        return None
    options: dict[str, Any] = {"type": "conll"}
    comments: list[str] = []
    if widths != {2}:
        between = [f"tags{position}" for position in range(1, min(widths))]
        options["names"] = ["words", *between]
        comments.append("Put the names of the columns here; a column called _ is not read.")
    return Sniffed({**options, **({"comment": comment} if comment else {})}, comments)


def _table(text: str) -> Sniffed | None:
    found = find_layout(text)
    return None if found is None else Sniffed(found.options, found.comments)


def _labelled(text: str) -> Sniffed | None:
    """A label, a space and a text per line."""
    lines = [line for line in text.splitlines() if line.strip()]
    labels = {line.split(" ", 1)[0] for line in lines}
    texts = all(" " in line.strip() for line in lines)
    if not texts or len(lines) < 2 or len(labels) > min(FEW_LABELS, len(lines) / 2):
        return None
    return Sniffed({"type": "labelled_text"}, ["Each line is taken as a label and a text."])


def _delimited(path: Path, name: str) -> Sniffed:
    text, extra = _text(path)
    found = find_layout(text, delimiter="\t" if name == "tsv" else None)
    found = found or Layout({"type": name}, [])
    return Sniffed({**found.options, **extra}, found.comments)


def _conll(path: Path, name: str) -> Sniffed:
    text, extra = _text(path)
    found = _blocks(text) or Sniffed({"type": name})
    return Sniffed({**found.options, **extra}, found.comments)


def _lines(path: Path, name: str) -> Sniffed:
    return Sniffed({"type": name, **_text(path)[1]})


def _archive(path: Path, name: str) -> Sniffed:
    options, comments = name_pattern(path, name)
    return Sniffed({"type": name, **options}, comments)


def _arrays(path: Path, name: str) -> Sniffed:
    """Arrays of a split each cannot be rows of one table: those for training are taken."""
    try:
        with np.load(path, allow_pickle=False) as file:
            sizes = {key: file[key].shape[:1] for key in file.files}
    except Exception:  # the source says what is wrong with the file
        return Sniffed({"type": name})
    parts = [key for key in sizes if re.search("train", key, re.IGNORECASE)]
    if len(set(sizes.values())) == 1 or not parts:
        return Sniffed({"type": name})
    columns = {re.sub("_?train_?", "", key, flags=re.IGNORECASE): key for key in parts}
    left = ", ".join(sorted(set(sizes) - set(parts)))
    return Sniffed({"type": name, "columns": columns}, [f"Left out, other rows: {left}."])


BY_NAME: dict[str, Callable[[Path, str], Sniffed]] = {
    "csv": _delimited,
    "tsv": _delimited,
    "conll": _conll,
    "jsonl": _lines,
    "arff": _lines,
    "npz": _arrays,
    "wav": _archive,
    "images": _archive,
}
