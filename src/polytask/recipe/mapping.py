"""A recipe's file as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.errors import InputError
from polytask.yaml_values import parse_yaml

__all__ = ["read_mapping"]


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        InputError: the file is absent or empty, is no YAML, holds a key twice or a value that
            contains itself.
    """
    if not file.is_file():
        folder = file if file.is_dir() else file.parent
        near = ", ".join(path.name for path in sorted(folder.glob("*.yaml")))
        raise InputError(f"{file}: no such recipe" + (f" (there are: {near})" if near else ""))
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is no UTF-8 text: {error}") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    value = parse_yaml(text, where=str(file))
    if not isinstance(value, dict):
        found = "nothing" if value is None else f"a {type(value).__name__}"
        wanted = "expected a mapping with name, data, tasks, model and training"
        raise InputError(f"{file}: {wanted}, got {found}")
    return value
