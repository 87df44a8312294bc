"""YAML with comments."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Entry", "flow", "write"]

WIDTH = 100
STEP = "  "


@dataclass(frozen=True)
class Entry:
    """A key, its value, and comments above it.

    Args:
        key: the key.
        value: a plain value, or the entries of a mapping.
        comments: paragraphs.
        blank: leave a line free above.
    """

    key: str
    value: Any
    comments: Sequence[str] = field(default_factory=tuple)
    blank: bool = False


def write(entries: Sequence[Entry], *, indent: str = "") -> str:
    """The entries as YAML.

    Example:
        >>> print(write([Entry("model", [Entry("backbone", "mlp")], ["Shared."])]), end="")
        # Shared.
        model:
          backbone: mlp
    """
    return "".join(_entry(entry, indent) for entry in entries)


def flow(value: Any, *, width: int = WIDTH) -> str:
    """A plain value on one line, or on as few as its width allows."""
    is_scalar = not isinstance(value, dict | list)
    text = yaml.safe_dump(
        value,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=10**9 if is_scalar else width,
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _entry(entry: Entry, indent: str) -> str:
    above = "\n" if entry.blank else ""
    prefix = f"{indent}# "
    for comment in entry.comments:
        lines = textwrap.wrap(
            " ".join(comment.split()),
            WIDTH,
            initial_indent=prefix,
            subsequent_indent=prefix,
            break_long_words=False,
            break_on_hyphens=False,
        )
        above += "\n".join(lines) + "\n"
    key = flow(entry.key)
    if _is_block(entry.value):
        return f"{above}{indent}{key}:\n{write(entry.value, indent=indent + STEP)}"
    lines = flow(entry.value, width=WIDTH - len(indent) - len(key) - 4).splitlines()
    return f"{above}{indent}{key}: " + f"\n{indent}{STEP}".join(lines) + "\n"


def _is_block(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Entry)
