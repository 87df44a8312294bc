"""Many small files in a zip archive or a folder, of which some may be damaged."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from polytask.data.sources.cells import parse_strings
from polytask.data.sources.files import existing
from polytask.data.sources.kinds import at_names, expectation
from polytask.data.sources.packed import CorruptFileError, opened
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["OnCorrupt", "decode_all", "include_there", "name_columns"]

T = TypeVar("T")
OnCorrupt = Literal["error", "skip"]


def decode_all(
    path: Path | None,
    decode: Callable[[bytes], T],
    *,
    endings: Sequence[str],
    include: str,
    corrupt: OnCorrupt,
) -> dict[str, T]:
    """File name (with its folders) -> content, ordered by name; nothing is written to disk.

    Args:
        path: a zip archive, a folder, or a single file.
        decode: content of a file -> value; raises `CorruptFileError`.
        endings: of the names that count, in lower case.
        include: only the names that match this pattern with ``*`` and ``?``.
        corrupt: whether a damaged file is an error, or skipped with a warning.

    Raises:
        InputError: not an archive or folder, no such file in it, or a damaged file.
    """
    path = existing(path, folder=None)
    found: dict[str, T] = {}
    with opened(path, endings) as (names, read):
        for name in sorted(names):
            if not _wanted(name, endings, include):
                continue
            try:
                found[name] = decode(read(name))
            except CorruptFileError as error:
                _report(f"{path}: {name}: {error}", corrupt, error)
    if not found:
        kind = " or ".join(endings)
        raise InputError(f"{path}: no (undamaged) {kind} file whose name matches {include!r}")
    return found


def include_there(path: Path, endings: Sequence[str], include: str) -> str:
    """The pattern, or ``*`` if no name matches it: new files may lie in other folders.

    Raises:
        InputError: not an archive, folder or file with such an ending.
    """
    with opened(existing(path, folder=None), endings) as (names, _):
        return include if any(_wanted(name, endings, include) for name in names) else "*"


def name_columns(
    names: Sequence[str], pattern: str | None, *, origin: str, like: Table | None
) -> dict[str, np.ndarray]:
    """The named groups of a pattern, found in file names, as columns.

    Raises:
        InputError: a name does not match; a cell does not fit the training file.
    """
    if pattern is None:
        return {}
    expression = re.compile(pattern)
    matches = [expression.search(name) for name in names]
    for name, match in zip(names, matches, strict=True):
        if match is None:
            raise InputError(f"{origin}: the file name {name!r} does not match {pattern!r}")
    return {
        group: parse_strings(
            [match[group] for match in matches if match],
            group,
            expect=expectation(like, group),
            place=at_names(origin, names),
        )
        for group in expression.groupindex
    }


def _wanted(name: str, endings: Sequence[str], include: str) -> bool:
    hidden = name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")
    matches = fnmatch.fnmatchcase(name, include)
    return name.lower().endswith(tuple(endings)) and matches and not hidden


def _report(message: str, corrupt: OnCorrupt, cause: CorruptFileError) -> None:
    if corrupt == "error":
        raise InputError(f"{message} (corrupt: skip leaves such files out)") from cause
    warnings.warn(f"{message}; skipped", stacklevel=3)
