"""The files of a run that a report shows; what is absent is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from polytask.errors import InputError

__all__ = ["read_json", "read_recipe"]


def read_json(file: Path) -> Any:
    """The content of a JSON file; None if it is absent or no JSON: a report can do without."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_recipe(run: Path) -> dict[str, Any]:
    """The resolved recipe as plain values; empty if it is absent.

    Raises:
        InputError: it was altered.
    """
    file = run / "recipe.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: cannot be read: expected a mapping, got {content!r}")
    return content
