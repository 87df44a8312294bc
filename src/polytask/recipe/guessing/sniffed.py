"""A source with its options, and the text of a file whose encoding is not known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polytask.data.sources.files import read_bytes, read_text

__all__ = ["Sniffed", "decoded"]


@dataclass(frozen=True)
class Sniffed:
    """A source with its options, as a recipe writes it, and what was found.

    Args:
        options: with ``type``.
        comments: what was guessed.
    """

    options: dict[str, Any]
    comments: list[str] = field(default_factory=list)


def decoded(path: Path) -> tuple[str, dict[str, Any]]:
    """The text, and the encoding if it is not the usual one."""
    try:
        read_bytes(path).decode()
    except UnicodeDecodeError:
        return read_text(path, encoding="latin-1"), {"encoding": "latin-1"}
    return read_text(path), {}
