"""Changes from single-task to multi-task values, absolute and relative, as arms of an estimate.

Shapes: R resamplings, S seeds of the multi-task models, B seeds of the single-task models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polytask.tasks.metrics.quotients import mean_of_defined

__all__ = ["Arms", "absolute", "mean_over_tasks", "relative"]

Arms = tuple[np.ndarray, ...]
"""See `polytask.evaluation.interval`: one arm of differences if paired, else one arm per side."""


def absolute(multi: np.ndarray, single: np.ndarray, *, paired: bool) -> Arms:
    """Multi minus single.

    Args:
        multi: ``[1 + R, S]`` metric of the multi-task models.
        single: ``[1 + R, B]`` metric of the single-task models.
        paired: column s of both is of the same seed.
    """
    return _arms(multi, -single, paired=paired)


def relative(multi: np.ndarray, single: np.ndarray, *, sign: int, paired: bool) -> Arms:
    """``sign * (m - b) / |b|`` of the means m and b over seeds, linear in every seed.

    The mean over the columns (summed over arms) is exactly that ratio; how much each column departs
    from the mean is the first-order effect of that seed on the ratio, so that the variance between
    columns is the variance of the ratio between seeds (delta method).

    Args:
        multi: ``[1 + R, S]``.
        single: ``[1 + R, B]``.
        sign: 1 where higher is better, -1 where lower is better.
        paired: column s of both is of the same seed.

    Returns:
        Arms; NaN where b is 0.
    """
    m, b = multi.mean(axis=1, keepdims=True), single.mean(axis=1, keepdims=True)
    size = np.where(b == 0, np.nan, np.abs(b))
    of_multi = sign * multi / size
    of_single = -sign * (b / size + m * (single - b) / (np.where(b == 0, np.nan, b) * size))
    return _arms(of_multi, of_single, paired=paired)


def mean_over_tasks(arms: Sequence[Arms]) -> Arms:
    """The mean over tasks; in a resampling where a task is not defined, over the others."""
    return tuple(mean_of_defined(np.stack(parts), axis=0) for parts in zip(*arms, strict=True))


def _arms(of_multi: np.ndarray, of_single: np.ndarray, *, paired: bool) -> Arms:
    return (of_multi + of_single,) if paired else (of_multi, of_single)
