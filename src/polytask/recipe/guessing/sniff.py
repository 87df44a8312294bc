"""Which source reads a file, and with which options, judged by its name and its content."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from polytask.data.sources.files import existing
from polytask.data.sources.guess import guess_source
from polytask.errors import InputError
from polytask.recipe.guessing.content import LOOKS, blocks
from polytask.recipe.guessing.delimited import Layout, find_layout
from polytask.recipe.guessing.file_names import name_pattern
from polytask.recipe.guessing.groups import is_parallel
from polytask.recipe.guessing.parallel import parallel_options
from polytask.recipe.guessing.sniffed import Sniffed, decoded

__all__ = ["sniff"]


def sniff(path: Path) -> Sniffed:
    """The source that reads a file or folder.

    Raises:
        InputError: the file is absent, empty, or nothing that a source reads.
    """
    path = existing(path, folder=None)
    try:
        name = guess_source(path)
    except InputError:
        if path.suffix.lower() == ".zip":
            raise
        return _by_content(path)
    if name in BY_NAME:
        return BY_NAME[name](path, name)
    return Sniffed({"type": name})


def _by_content(path: Path) -> Sniffed:
    if path.is_dir():
        if is_parallel(path):
            return Sniffed(*parallel_options(path))
        raise InputError(f"{path}: cannot tell what is in this folder; name the files in it")
    text, extra = decoded(path)
    for look in LOOKS:
        found = look(text)
        if found is not None:
            return Sniffed({**found.options, **extra}, found.comments)
    raise InputError(
        f"{path}: cannot tell what kind of file this is: no rows of equally many cells, no word "
        "per line, no 'label text' lines. Give it an ending such as .csv, .tsv, .jsonl or .conll"
    )


def _delimited(path: Path, name: str) -> Sniffed:
    text, extra = decoded(path)
    found = find_layout(text, delimiter="\t" if name == "tsv" else None)
    found = found or Layout({"type": name}, [])
    return Sniffed({**found.options, **extra}, found.comments)


def _conll(path: Path, name: str) -> Sniffed:
    text, extra = decoded(path)
    found = blocks(text) or Sniffed({"type": name})
    return Sniffed({**found.options, **extra}, found.comments)


def _lines(path: Path, name: str) -> Sniffed:
    return Sniffed({"type": name, **decoded(path)[1]})


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
