"""What trackers have in common."""

from __future__ import annotations

from collections.abc import Mapping

from polytask.errors import InputError

__all__ = ["flat", "missing"]


def flat(metrics: Mapping[str, Mapping[str, float]], score: float) -> dict[str, float]:
    """Metrics under one name each, ``<task>/<metric>``, with the score; those that are defined."""
    values = {f"{task}/{m}": v for task, found in metrics.items() for m, v in found.items()}
    return {name: value for name, value in {**values, "score": score}.items() if value == value}


def missing(package: str) -> InputError:
    """The error for a tracker that is not installed."""
    return InputError(f"training.track: {package} is not installed: pip install 'polytask[track]'")
