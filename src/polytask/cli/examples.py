"""Examples for `polytask predict`: a whole file, or lines, a piece at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data import Table
from polytask.data.inputs import Input, Words
from polytask.data.inputs.columns import as_column
from polytask.data.sources.files import existing, read_lines
from polytask.errors import InputError
from polytask.example_files import RECIPE, data_sets, read_examples
from polytask.training.model_folder import SavedModel
from polytask.yaml_values import parse_yaml

__all__ = ["LINES", "read_pieces"]

LINES = "lines"
"""The format of standard input."""
STANDARD_INPUT = "standard input"
PIECE = 1024
"""Lines that are predicted together."""


def read_pieces(
    file: Path,
    saved: SavedModel,
    *,
    tasks: Sequence[str] | None = None,
    data: str | None = None,
    source: str | None = None,
    trust: bool = False,
) -> Iterator[Table]:
    """Pieces of examples, of which each is predicted and printed before the next is read.

    A file is one piece. Lines hold one example each: JSON (an object, a list or a string), or plain
    text, which is split into words for a model that reads words.

    Args:
        file: a file, folder or archive; ``-`` for standard input, which is lines.
        saved: the model.
        tasks: names of the tasks to predict.
        data: see `polytask.example_files.read_examples`.
        source: the option ``--format``: ``lines``, ``recipe``, or a source as YAML.
        trust: the source may be the user's own code.

    Raises:
        InputError: the file is absent or cannot be read; names the line.
    """
    standard = file == Path("-")
    if standard and source not in (None, LINES):
        raise InputError(f"--format {source}: standard input is {LINES}; give a file")
    if standard or source == LINES:
        lines = _standard_input() if standard else iter(read_lines(existing(file)))
        inputs = [saved.inputs[name] for name in data_sets(saved, tasks=tasks, data=data)]
        yield from _tables(lines, STANDARD_INPUT if standard else str(file), inputs)
    else:
        spec = None if source is None else _source(source)
        yield read_examples(file, saved, tasks=tasks, data=data, source=spec, trust=trust)


def _source(text: str) -> str | Mapping[str, Any]:
    """A source, as a recipe writes it."""
    found = parse_yaml(text, where="--format")
    if not isinstance(found, str | Mapping):
        wanted = f"{LINES}, {RECIPE}, or a source such as csv or {{type: csv, delimiter: ;}}"
        raise InputError(f"--format: expected {wanted}, got {text!r}")
    return found


def _standard_input() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{STANDARD_INPUT}, line {number}: is no UTF-8 text") from error


def _tables(lines: Iterable[str], origin: str, inputs: Sequence[Input]) -> Iterator[Table]:
    words = any(isinstance(one, Words) for one in inputs)
    examples = (
        (number, _example(line.rstrip("\r\n"), f"{origin}, line {number}", words))
        for number, line in enumerate(lines, 1)
        if line.strip()
    )
    while piece := list(islice(examples, PIECE)):
        yield _table(piece, origin, inputs)


def _example(line: str, place: str, words: bool) -> Any:
    if line.lstrip()[0] in '{["':
        try:
            return json.loads(line)
        except ValueError as error:
            # A text may well begin with a quotation mark or a bracket, hardly with a brace.
            if line.lstrip()[0] == "{":
                raise InputError(f"{place}: not valid JSON: {error}") from error
    return line.split() if words else line


def _table(piece: Sequence[tuple[int, Any]], origin: str, inputs: Sequence[Input]) -> Table:
    """The columns that the first example has of those that the model reads."""
    alone = {one.columns[0] for one in inputs if len(set(one.columns)) == 1}
    numbers = [number for number, _ in piece]
    rows = [x if isinstance(x, Mapping) else dict.fromkeys(alone, x) for _, x in piece]
    wanted = dict.fromkeys(column for one in inputs for column in one.columns)
    there = [column for column in wanted if column in rows[0]] or list(wanted)
    for number, row in zip(numbers, rows, strict=True):
        absent = [column for column in there if column not in row]
        if absent:
            has = f"has {list(row)}" if row else "is no object {...}"
            raise InputError(f"{origin}, line {number}: lacks {absent}, {has}")
    columns = {column: as_column([row[column] for row in rows]) for column in there}
    return Table(columns, origin, np.array(numbers, dtype=np.int64))
