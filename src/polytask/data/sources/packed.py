"""The files in a folder or a zip archive, of which nothing is written to disk."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from polytask.errors import InputError

__all__ = ["CorruptFileError", "open_zip", "opened"]

LARGEST = 2**28
"""Bytes of one file: a small archive can claim petabytes. Two hours of 16 kHz audio fit."""


class CorruptFileError(Exception):
    """One file among many cannot be decoded."""


@contextmanager
def opened(
    path: Path, endings: Sequence[str]
) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names in a folder or archive, or that of a single file, and how to read one.

    Raises:
        InputError: a file that is no archive and has none of the endings.
    """
    if path.is_file() and path.name.lower().endswith(tuple(endings)):
        yield [path.name], lambda name: _read_file(path)
        return
    if path.is_dir():
        names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
        yield names, lambda name: _read_file(path / name)
        return
    with open_zip(path) as archive:
        yield archive.namelist(), lambda name: _read_entry(archive, name)


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip archive, to be closed by the caller.

    Raises:
        InputError: it is none, or it is damaged.
    """
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile fails in many ways on damaged archives
        raise InputError(f"{path}: not a zip archive, or cut short: {error}") from error


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
