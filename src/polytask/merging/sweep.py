"""Which scale of a merge is best, by a score of the reader's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from polytask.errors import InputError
from polytask.merging.given import as_list
from polytask.merging.memory import Direction

__all__ = ["SCALES", "Sweep", "sweep"]

SCALES = tuple(round(0.1 * step, 1) for step in range(11))
"""0 the base, 1 all of the change; the ones that WiSE-FT looks at."""


@dataclass(frozen=True)
class Sweep:
    """How good a merged model is at each scale.

    Args:
        scores: scale -> score, in the order in which they were tried.
    """

    scores: Mapping[float, float]

    @property
    def best(self) -> float:
        """The scale of the highest score; of several the one that changes the base least."""
        return min(self.scores, key=lambda scale: (-self.scores[scale], abs(scale)))


def sweep(
    direction: Direction,
    score: Callable[[dict[str, Tensor]], float],
    *,
    scales: Sequence[float] = SCALES,
) -> Sweep:
    """Score a prepared merge at several scales: lambda of task arithmetic, alpha of WiSE-FT.

    Choose with validation data, and measure what was chosen on test data.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", 2022 (WiSE-FT: one model, and
    scales from 0 to 1).

    Args:
        direction: of `prepare_state_dicts`.
        score: of a merged model, higher is better.
        scales: that are tried.

    Raises:
        InputError: the direction is none, there is no scale, or a score is no number.

    Example:
        >>> import torch
        >>> from polytask import merging
        >>> base, tuned = {"w": torch.zeros(1)}, {"w": torch.ones(1)}
        >>> line = merging.prepare_state_dicts("task_arithmetic", base=base, models=[tuned])
        >>> found = sweep(line, lambda state: -abs(float(state["w"]) - 0.31))
        >>> found.best
        0.3
    """
    if not isinstance(direction, Direction):
        kind = type(direction).__name__
        raise InputError(f"direction: expected what prepare_state_dicts returns, got {kind}")
    scales = as_list("scales", scales)
    if not scales:
        raise InputError("scales: there is none to try")
    return Sweep({scale: _number(score(direction.apply(scale)), scale) for scale in scales})


def _number(found: Any, scale: float) -> float:
    """A score as a number of Python."""
    try:
        missing = math.isnan(found)  # unlike float it refuses texts
    except (TypeError, ValueError) as error:
        raise InputError(f"score: is no number at scale {scale}: {found!r}") from error
    if missing:
        raise InputError(f"score: is NaN at scale {scale}")
    return float(found)
