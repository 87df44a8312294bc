"""Files and folders that are either whole or not there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polytask.errors import InputError, RunError

__all__ = ["MANIFEST", "is_partial", "verify", "whole_folder", "write_json", "write_text"]

MANIFEST = "manifest.json"
"""The file in a folder that holds the checksum of every other file of it."""


def is_partial(path: Path) -> bool:
    """Whether a file or folder is what a process left behind that died while it wrote."""
    return path.name.startswith(".") and path.suffix in (".partial", ".old")


def write_text(path: Path, text: str) -> None:
    """Write a file so that at any moment the old or the new content is there, whole.

    Raises:
        RunError: it cannot be written (for example: the disk is full); the old file stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, as `write_text` does."""
    write_text(path, json.dumps(value, indent=2) + "\n")


@contextmanager
def whole_folder(path: Path, *, checksums: bool = True, replace: bool = True) -> Iterator[Path]:
    """A new folder to write into; it appears under its name, with checksums, when all is there.

    Args:
        path: of the folder.
        checksums: write the manifest that `verify` reads.
        replace: a folder that has the name by then; otherwise that is an error.

    Raises:
        RunError: something cannot be written, or somebody else writes it at the same time; nothing
            appears, an older folder of that name stays.
    """
    try:
        with _alone(path) as partial:
            yield partial
            if checksums:
                _write_manifest(partial)
            for file in _files(partial):
                _sync(file)
            if not replace and path.exists():
                raise RunError(f"cannot write {path}: it has come to exist meanwhile")
            _swap(partial, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """An empty folder beside another one, which no other process writes to until the end.

    What a process that died has left there is removed. If it is not renamed, it goes at the end.

    Raises:
        RunError: another process, or thread, is writing to it.
        OSError: it cannot be made.
    """
    partial = path.with_name(f".{path.name}.partial")
    if partial.is_file():
        partial.unlink()
    partial.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        if not _lock(descriptor) or not _is_at(descriptor, partial):
            raise RunError(f"cannot write {path}: somebody else is writing it")
        try:
            _empty(partial)
            yield partial
        finally:
            if _is_at(descriptor, partial):
                shutil.rmtree(partial, ignore_errors=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open folder; false if it is locked already."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that has no locks
        return True
    return True


def _is_at(descriptor: int, folder: Path) -> bool:
    """Whether an open folder still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _swap(new: Path, path: Path) -> None:
    """Put a folder under a name; one that had the name before goes when the new one is there."""
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.replace(old)
    new.replace(path)
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def verify(folder: Path) -> None:
    """Check every file of a folder against its checksum.

    Raises:
        InputError: a file is absent, cut short, altered or was added; names it.
    """
    sums = _read_manifest(folder)
    for name, expected in sums.items():
        file = folder / name
        if not file.is_file():
            raise InputError(f"{file}: absent, but listed in {MANIFEST}")
        if _checksum(file) != expected:
            raise InputError(f"{file}: truncated or altered: its checksum differs from {MANIFEST}")
    for file in _files(folder):
        if file.relative_to(folder).as_posix() not in {*sums, MANIFEST}:
            raise InputError(f"{file}: is not listed in {MANIFEST}")


def _read_manifest(folder: Path) -> dict[str, str]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InputError(f"{folder}: no {MANIFEST}: the folder is not whole")
    try:
        sums = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{manifest}: truncated or altered: {error}") from error
    if not isinstance(sums, dict):
        raise InputError(f"{manifest}: truncated or altered: no list of files")
    return sums


def _write_manifest(folder: Path) -> None:
    sums = {file.relative_to(folder).as_posix(): _checksum(file) for file in _files(folder)}
    (folder / MANIFEST).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
