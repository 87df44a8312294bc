"""Labels in the names of files, such as ``7_jackson_32.wav`` or ``cat/12.png``."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from polytask.data.sources.guess import INSIDE
from polytask.errors import InputError

__all__ = ["name_pattern"]

SEPARATORS = re.compile(r"[_\-]")
COUNTER = 20
"""Different whole numbers in one place of the names from which they count files."""


def name_pattern(path: Path, source: str) -> tuple[dict[str, Any], list[str]]:
    """The option ``pattern`` of a source of many files, if their names tell something.

    Raises:
        InputError: it is no archive.
    """
    names = [PurePosixPath(n) for n in _names(path) if INSIDE.get(_ending(n)) == source]
    folders = {name.parent.name for name in names}
    parts = _parts(names)
    if 2 <= len(folders) <= len(names) / 2:
        pattern = r"(?P<folder>[^/]+)/[^/]+$"
        return {"pattern": pattern}, ["The folder of a file is taken as its label."]
    if parts:
        return {"pattern": _expression(parts)}, [
            "The parts of the file names are taken as columns: give them their true names here "
            "(?P<name>...) and under tasks, and remove those that are no labels."
        ]
    hint = "a regular expression with named groups, for example '(?P<label>[a-z]+)_[0-9]+'"
    return {}, [f"If file names hold labels, add the option pattern: {hint}."]


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return [p.relative_to(path).as_posix() for p in sorted(path.rglob("*")) if p.is_file()]
    try:
        with zipfile.ZipFile(path) as archive:
            found = sorted(archive.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: not a zip archive, or cut short: {error}") from error
    return [n for n in found if not n.startswith("__MACOSX/") and PurePosixPath(n).name[:1] != "."]


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _parts(names: Sequence[PurePosixPath]) -> list[str | None]:
    """Per part of a file name the group that it becomes, or None; empty if no part is a label."""
    rows = [SEPARATORS.split(name.stem) for name in names]
    if len({len(row) for row in rows}) != 1:
        return []
    groups = [
        f"part{position}" if _is_label(column) else None
        for position, column in enumerate(zip(*rows, strict=True), 1)
    ]
    return groups if any(groups) else []


def _is_label(values: Sequence[str]) -> bool:
    distinct = set(values)
    counts = all(value.isdecimal() for value in distinct) and len(distinct) > COUNTER
    return 2 <= len(distinct) <= len(values) / 2 and not counts


def _expression(groups: Sequence[str | None]) -> str:
    found = [f"(?P<{group}>[^/_-]+)" if group else "[^/_-]+" for group in groups]
    return rf"(?:^|/){'[_-]'.join(found)}\.[^./]+$"
