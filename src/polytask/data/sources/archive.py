"""Many small files in a zip archive or a folder, of which some may be damaged."""

from __future__ import annotations

import fnmatch
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from polytask.data.sources.cells import parse_strings
from polytask.data.sources.files import existing
from polytask.data.sources.kinds import at_names, expectation
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["CorruptFileError", "OnCorrupt", "decode_all", "name_columns", "open_zip"]

T = TypeVar("T")
OnCorrupt = Literal["error", "skip"]

LARGEST = 2**28
"""Bytes of one file: a small archive can claim petabytes. Two hours of 16 kHz audio fit."""


class CorruptFileError(Exception):
    """One file among many cannot be decoded."""


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
        path: a zip archive or a folder.
        decode: content of a file -> value; raises `CorruptFileError`.
        endings: of the names that count, in lower case.
        include: only the names that match this pattern with ``*`` and ``?``.
        corrupt: whether a damaged file is an error, or skipped with a warning.

    Raises:
        InputError: not an archive or folder, no such file in it, or a damaged file.
    """
    path = existing(path, folder=None)
    found: dict[str, T] = {}
    with _opened(path) as (names, read):
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


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip archive, to be closed by the caller.

    Raises:
        InputError: it is none, or it is damaged.
    """
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile fails in many ways on damaged archives
        raise InputError(f"{path}: not a zip archive, or cut short: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names in a folder or archive, and how to read one."""
    if path.is_dir():
        names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
        yield names, lambda name: _read_file(path / name)
        return
    with open_zip(path) as archive:
        yield archive.namelist(), lambda name: _read_entry(archive, name)


def _wanted(name: str, endings: Sequence[str], include: str) -> bool:
    hidden = name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")
    matches = fnmatch.fnmatchcase(name, include)
    return name.lower().endswith(tuple(endings)) and matches and not hidden


def _read_file(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise CorruptFileError(f"is larger than {LARGEST} bytes")
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorruptFileError(f"cannot be read: {error.strerror}") from error


def _read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """Reads no more than is allowed, whatever size the archive pretends."""
    try:
        with archive.open(name) as entry:
            data = entry.read(LARGEST + 1)
    except Exception as error:  # each way of compression fails in its own ways
        raise CorruptFileError(f"cannot be unpacked: {error}") from error
    if len(data) > LARGEST:
        raise CorruptFileError(f"is larger than {LARGEST} bytes")
    return data


def _report(message: str, corrupt: OnCorrupt, cause: CorruptFileError) -> None:
    if corrupt == "error":
        raise InputError(f"{message} (corrupt: skip leaves such files out)") from cause
    warnings.warn(f"{message}; skipped", stacklevel=3)
