"""Hard parameter sharing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from polytask.models.features import Features
from polytask.models.sharing.base import Sharing, SharingOptions
from polytask.tasks import TaskSet

__all__ = ["Hard", "HardSharing"]


class HardSharing(Sharing):
    """Every task sees the same features.

    Source: Caruana, "Multitask Learning", 1997.

    Args:
        width: D of the features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, features: Features, rows: Mapping[str, Tensor | None]) -> dict[str, Features]:
        return {task: features.take(chosen) for task, chosen in rows.items()}


@dataclass(frozen=True, kw_only=True)
class Hard(SharingOptions):
    """Every task sees the same features; only heads are private."""

    def build(self, width: int, tasks: TaskSet) -> Sharing:
        return HardSharing(width)
