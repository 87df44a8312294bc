"""The live display of a run."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from polytask.training.observer import Outcome

__all__ = ["Display"]

SHOWN = 4
"""Tasks whose losses fit on the line."""

SMOOTHING = 0.9
"""Share of the old value in the running mean of a loss that is shown."""


class Display:
    """Shows step, time left and the loss of each task; a running mean, since steps vary.

    Where the output is no terminal, it prints one plain line per evaluation and nothing else.

    Args:
        title: of the run.
        console: standard error by default.
    """

    def __init__(self, title: str, *, console: Console | None = None) -> None:
        self.title = title
        self.console = console or Console(stderr=True)
        self._losses: dict[str, float] = {}
        self._score: float | None = None
        self._total = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
            console=self.console,
            transient=True,
        )

    def start(self, step: int, total: int) -> None:
        self._total = total
        if self.console.is_terminal:
            self._line = self._bar.add_task(self.title, completed=step, total=total, values="")
            self._bar.start()

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        for name, loss in losses.items():
            old = self._losses.get(name, loss)
            self._losses[name] = SMOOTHING * old + (1 - SMOOTHING) * loss
        if self.console.is_terminal:
            self._bar.update(self._line, completed=step, values=self._values())

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        self._score = score
        if not self.console.is_terminal:
            place = f"{self.title}: step {step} of {self._total}"
            self.console.print(
                f"{place}, {self._values()}", soft_wrap=True, markup=False, highlight=False
            )

    def close(self, outcome: Outcome) -> None:
        if self.console.is_terminal:  # without one, stopping would print an empty line
            self._bar.stop()

    def _values(self) -> str:
        """The score and the losses, the largest first."""
        largest = sorted(self._losses.items(), key=lambda item: -item[1])
        parts = [] if self._score is None else [f"score {self._score:.4f}"]
        parts += [f"{name} {loss:.3f}" for name, loss in largest[:SHOWN]]
        hidden = len(largest) - SHOWN
        return "  ".join(parts) + (f"  and {hidden} more" if hidden > 0 else "")
