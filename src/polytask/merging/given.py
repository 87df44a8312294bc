"""Models as callers name them: paths on disk, or tensors by name in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from polytask.errors import InputError

__all__ = ["as_list", "as_path", "as_paths"]

T = TypeVar("T")


def as_path(name: str, value: str | Path) -> Path:
    """A path.

    Args:
        name: of the argument, for messages.
        value: as it was given.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str | Path):
        raise InputError(f"{name}: expected a path, got {type(value).__name__}")
    return Path(value)


def as_paths(name: str, values: Iterable[str | Path]) -> tuple[Path, ...]:
    """Paths, in a list or the like.

    Raises:
        InputError: it is one path, or something that is none is among them.
    """
    return tuple(
        as_path(f"{name}[{index}]", value) for index, value in enumerate(as_list(name, values))
    )


def as_list(name: str, values: Iterable[T]) -> Sequence[T]:
    """What is in a list or the like.

    Raises:
        InputError: it is one path or state dict, or nothing that can be walked through.
    """
    given = cast(object, values)
    if isinstance(given, str | Path | dict) or not isinstance(given, Iterable):
        raise InputError(f"{name}: expected a list, got {type(values).__name__}")
    return list(values)
