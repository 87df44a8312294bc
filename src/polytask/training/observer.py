"""Who is told what happens in a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

__all__ = ["Observer", "Outcome"]

Outcome = Literal["finished", "stopped", "failed"]
"""How a run ended: at its last step, by Ctrl-C or SIGTERM, or with an error."""


class Observer(Protocol):
    """Is told what happens in a run; for progress displays and trackers.

    Losses are read from the accelerator every few steps, so that a step is told a little after it
    was done. With several processes, only the main one has observers.
    """

    def start(self, step: int, total: int) -> None:
        """A run goes on behind ``step`` (0: it is new) until ``total``."""

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        """A step that is done, with the loss of each task that it carried."""

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        """Metrics on the validation split after a step."""

    def close(self, outcome: Outcome) -> None:
        """The run has ended, however; a run that did not finish may be resumed."""
