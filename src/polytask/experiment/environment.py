"""Where and with what an experiment was run."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["environment"]

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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
