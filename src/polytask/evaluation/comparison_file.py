"""``metrics.json``: a comparison on disk."""

from __future__ import annotations

import json
from pathlib import Path

from polytask.errors import InputError
from polytask.evaluation.comparison import Comparison
from polytask.files import write_text

__all__ = ["read_comparison", "write_comparison"]


def write_comparison(comparison: Comparison, file: Path) -> None:
    """Write ``metrics.json``, whole or not at all."""
    text = json.dumps(comparison.to_json(), indent=1, allow_nan=False)
    write_text(file, text + "\n")


def read_comparison(file: Path) -> Comparison:
    """Read ``metrics.json``.

    Raises:
        InputError: the file is absent, not JSON, or not a comparison.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    return Comparison.from_json(content, where=str(file))
