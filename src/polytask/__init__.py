"""polytask: one model, many tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polytask.api import compare, evaluate, train
    from polytask.predictor import Predictor, load

__all__ = ["Predictor", "compare", "evaluate", "load", "train"]
__version__ = "0.1.0"

_HOME = {
    "Predictor": "polytask.predictor",
    "load": "polytask.predictor",
    "compare": "polytask.api",
    "evaluate": "polytask.api",
    "train": "polytask.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import polytask`` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'polytask' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
