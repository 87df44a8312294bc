"""Folders of parallel files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.data.sources.files import read_lines
from polytask.errors import InputError

__all__ = ["parallel_options"]

KNOWN = {"seq.in": "words", "seq.out": "slots", "label": "intent"}
"""File names of a well-known layout, and what they hold."""


def parallel_options(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The options of the source `parallel`: a column per file, which of them are lists of words.

    Raises:
        InputError: the files have different numbers of lines.
    """
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    lines = {name: read_lines(folder / name) for name in names}
    counts = {name: len(found) for name, found in lines.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"{folder}: not parallel files, they differ in lines: {counts}")
    columns = {_column(name): name for name in _in_order(lines)}
    parallel = _word_by_word(columns, lines)
    options: dict[str, Any] = {"type": "parallel", "files": columns}
    comments = ["Line k of every file is taken as row k; the keys are the names of the columns."]
    if parallel:
        options["split_words"] = parallel
        comments.append(f"{' and '.join(parallel)} have equally many words in every line.")
    return options, comments


def _column(file: str) -> str:
    return KNOWN.get(file, file.replace(".", "_"))


def _in_order(lines: dict[str, list[str]]) -> list[str]:
    """The file with the most different words first: the input."""
    return sorted(lines, key=lambda name: -len({w for line in lines[name] for w in line.split()}))


def _word_by_word(columns: dict[str, str], lines: dict[str, list[str]]) -> list[str]:
    """The columns that have as many words in every line as the first, and more than one in some."""
    lengths = {column: [len(x.split()) for x in lines[file]] for column, file in columns.items()}
    first = next(iter(lengths.values()))
    same = [column for column, found in lengths.items() if found == first]
    return same if len(same) > 1 and max(first) > 1 else []
