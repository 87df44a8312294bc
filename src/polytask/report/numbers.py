"""Numbers as text, equal in every place of a report."""

from __future__ import annotations

import math

from polytask.evaluation import Estimate, Interval, Spread

__all__ = ["between", "number", "percent", "signed", "spread", "with_interval"]

MISSING = "–"
SMALL = 0.001
"""Below this size three decimals would show next to nothing: two significant digits instead."""


def number(value: float | None) -> str:
    """Three decimals for values near one, fewer for large ones; a dash where it is not defined."""
    if value is None or math.isnan(value):
        return MISSING
    size = abs(value)
    if 0 < size < SMALL:
        text = f"{value:.2g}"
    elif size >= 1e6:
        text = f"{value:.4g}"
    else:
        text = f"{value:.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"
    return text.replace("-", "−")


def signed(value: float | None) -> str:
    """The number with its sign; 0 has none."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 else text


def percent(value: float | None) -> str:
    """A signed number of percent with one decimal."""
    if value is None:
        return MISSING
    return f"{value:+.1f} %".replace("-", "−") if abs(value) < 1e4 else f"{value:+.1e} %"


def between(interval: Interval | None, *, decimals: int | None = None) -> str:
    """``[low, high]`` of a change, with signs; empty without an interval."""
    if interval is None:
        return ""
    ends = (interval.low, interval.high)
    if decimals is None:
        low, high = (signed(end + 0.0) for end in ends)
    else:
        low, high = (f"{end + 0.0:+.{decimals}f}".replace("-", "−") for end in ends)
    return f"[{low}, {high}]"


def with_interval(estimate: Estimate) -> str:
    """A change and its interval."""
    return f"{signed(estimate.value)} {between(estimate.interval)}".strip()


def spread(values: Spread | None) -> str:
    """Mean and standard deviation over seeds; the mean alone for one seed."""
    if values is None:
        return MISSING
    if values.std is None:
        return number(values.mean)
    return f"{number(values.mean)} ± {number(values.std)}"
