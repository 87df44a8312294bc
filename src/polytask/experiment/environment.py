"""Where and with what an experiment was run."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from polytask.errors import InputError

__all__ = ["environment", "environment_after"]

PACKAGES = ("polytask", "torch", "numpy", "transformers", "accelerate", "safetensors")
"""Packages whose versions are written beside a run."""


def environment(recipe_folder: Path) -> Mapping[str, Any]:
    """Versions, machine, and the folder from which the recipe's relative paths start."""
    return {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "packages": {package: _version(package) for package in PACKAGES},
        "recipe_folder": str(recipe_folder.resolve()),
    }


def environment_after(file: Path, recipe_folder: Path) -> Mapping[str, Any]:
    """`environment`, and under ``earlier`` the others in which runs of a grown folder were trained.

    Args:
        file: what was written before, if anything was.
        recipe_folder: as in `environment`.

    Raises:
        InputError: the file cannot be read.
    """
    now = environment(recipe_folder)
    if not file.exists():
        return now
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        earlier = [*before.pop("earlier", ()), before]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    others = [one for index, one in enumerate(earlier) if one != now and one not in earlier[:index]]
    return {**now, "earlier": others} if others else now


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
