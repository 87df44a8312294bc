"""TensorBoard as an observer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.training.observer import Outcome
from polytask.training.trackers.base import flat, missing

__all__ = ["TensorBoard"]


class TensorBoard:
    """Writes ``loss/<task>``, ``<task>/<metric>`` and ``score`` for TensorBoard.

    All is on the disk after every evaluation, and when the run ends, however it does.

    Args:
        folder: of the event files.

    Raises:
        InputError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise missing("tensorboard") from error
        self.folder = folder
        self._make = SummaryWriter
        self._writer: Any = None

    def start(self, step: int, total: int) -> None:
        # What was written after the checkpoint is hidden, as it is done again.
        self._writer = self._make(str(self.folder), purge_step=step + 1 if step else None)

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        for task, loss in losses.items():
            self._writer.add_scalar(f"loss/{task}", loss, step)

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        for name, value in flat(metrics, score).items():
            self._writer.add_scalar(name, value, step)
        # A checkpoint usually follows, and what is before it will not be written again.
        self._writer.flush()

    def close(self, outcome: Outcome) -> None:
        self._writer.close()
