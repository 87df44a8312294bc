"""What numbers learning can work with."""

from __future__ import annotations

import math
from typing import Any

from polytask.errors import InputError
from polytask.merging.settings import check_count

__all__ = ["check_count", "check_number", "check_positive", "check_within"]


def check_number(option: str, value: Any, *, least: float = -math.inf) -> None:
    """Refuse what is no finite number, or too small.

    Raises:
        InputError: with the name of the option.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise InputError(f"{option}: must be a finite number{bound}, got {value!r}")


def check_positive(option: str, value: Any) -> None:
    """Refuse what is no positive finite number.

    Raises:
        InputError: with the name of the option.
    """
    check_number(option, value)
    if value <= 0:
        raise InputError(f"{option}: must be positive, got {value!r}")


def check_within(option: str, value: Any, bounds: tuple[float, float]) -> None:
    """Refuse what is no finite number between two others, or one of them.

    Raises:
        InputError: with the name of the option.
    """
    check_number(option, value)
    least, most = bounds
    if not least <= value <= most:
        raise InputError(f"{option}: must be in [{least:g}, {most:g}], got {value!r}")
