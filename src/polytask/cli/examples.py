"""Examples for `polytask predict`, from a file or from standard input, a piece at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from polytask.data import SOURCES, Table
from polytask.data.inputs import Words
from polytask.errors import InputError
from polytask.predictor import Predictor

__all__ = ["read_examples"]

PIECE = 1024
"""Examples that are predicted together."""
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".npz", ".arff", ".conllu")
"""Endings of files that are read whole, as a table."""


def read_examples(file: Path, model: Predictor) -> Iterator[list[Any] | Table]:
    """Pieces of examples.

    Standard input and files of other endings hold one example per line: JSON (an object, a list or
    a string), or plain text, which is split into words for a model that reads words.

    Raises:
        InputError: the file is absent, or a line cannot be read; names the line.
    """
    if file == Path("-"):
        yield from _pieces(sys.stdin, "standard input", model)
    elif file.name.endswith(TABLES):
        from polytask.data.sources.guess import guess_source

        yield SOURCES.build(guess_source(file)).read(file)
    elif not file.is_file():
        raise InputError(f"{file}: no such file")
    else:
        try:
            with file.open(encoding="utf-8") as lines:
                yield from _pieces(lines, str(file), model)
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: not UTF-8: {error}") from error


def _pieces(lines: Iterable[str], origin: str, model: Predictor) -> Iterator[list[Any]]:
    words = any(isinstance(source, Words) for source in model.saved.inputs.values())
    examples = (
        _example(line.rstrip("\r\n"), f"{origin}, line {number}", words)
        for number, line in enumerate(lines, 1)
        if line.strip()
    )
    while piece := list(islice(examples, PIECE)):
        yield piece


def _example(line: str, place: str, words: bool) -> Any:
    if line.lstrip()[0] in '{["':
        try:
            return json.loads(line)
        except ValueError as error:
            # A text may well begin with a quotation mark or a bracket, hardly with a brace.
            if line.lstrip()[0] == "{":
                raise InputError(f"{place}: not valid JSON: {error}") from error
    return line.split() if words else line
