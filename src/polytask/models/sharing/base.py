"""The abstract sharing module: what stands between the backbone and the heads.

Shapes: B rows of a batch, R rows that carry a task, O outputs of a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from polytask.models.features import Features
from polytask.tasks import TaskSet

__all__ = ["Sharing", "SharingOptions"]


class Sharing(nn.Module, ABC):
    """Gives each task its own view of the shared features.

    Attributes:
        width: D', the width of the features that heads receive.
    """

    width: int

    @abstractmethod
    def forward(self, features: Features, rows: Mapping[str, Tensor | None]) -> dict[str, Features]:
        """The features of each task.

        Args:
            features: of all B rows.
            rows: task -> the rows ``[R]`` that carry it, None for all.

        Returns:
            Task -> features of its R rows.
        """

    def output(self, task: str, features: Tensor, output: Tensor) -> Tensor:
        """The final output of a task, given its features and its head's output ``[R, ..., O]``."""
        return output

    def users(self) -> Mapping[str, frozenset[str]]:
        """Parameter name (within this module) -> the tasks that use it; all use an absent one."""
        return {}


@dataclass(frozen=True, kw_only=True)
class SharingOptions(ABC):
    """The options of a sharing module, as a recipe gives them."""

    @abstractmethod
    def build(self, width: int, tasks: TaskSet) -> Sharing:
        """Make the module for features of a width and fitted tasks."""
