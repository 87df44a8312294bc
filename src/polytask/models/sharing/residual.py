"""A common head plus a small private one.

Shapes: R rows that carry a task, D width of the features, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polytask.models.sharing.base import SharingOptions
from polytask.models.sharing.hard import HardSharing
from polytask.randomness import initialised
from polytask.tasks import HeadOptions, Task, TaskSet

__all__ = ["Residual", "ResidualSharing"]


class ResidualSharing(HardSharing):
    """output = common head(features) + scale x private head(features).

    Tasks of one output type and size share a common head; each has its private head beside it. The
    form is the linear "shared plus residual" model w_t = w_0 + v_t of Evgeniou and Pontil,
    "Regularized multi-task learning", 2004; how strongly v_t is held near zero is set by ``scale``
    (a small scale learns the private part slowly) and by weight decay, instead of by their penalty.

    Args:
        width: D.
        tasks: the fitted tasks.
        hidden: hidden layers of the common heads.
        scale: of the private heads.
    """

    def __init__(self, width: int, tasks: TaskSet, *, hidden: Sequence[int], scale: float) -> None:
        super().__init__(width)
        self.scale = scale
        self._group = {name: _group(task) for name, task in tasks.items()}
        heads = {_group(task): task.output for task in tasks.values()}
        self.common = nn.ModuleDict()
        # A seed for each group: a single-task model starts from the same head whatever its place.
        seed = torch.initial_seed()
        for group, output in heads.items():
            with initialised(seed, group):
                self.common[group] = output.head(width, HeadOptions(hidden=hidden))

    def output(self, task: str, features: Tensor, output: Tensor) -> Tensor:
        common: Tensor = self.common[self._group[task]](features[..., : self.width])
        return common + self.scale * output

    def users(self) -> dict[str, frozenset[str]]:
        return {
            f"common.{group}.{name}": frozenset(t for t, g in self._group.items() if g == group)
            for group, head in self.common.items()
            for name, _ in head.named_parameters()
        }


def _group(task: Task) -> str:
    return f"{type(task.output).__name__}_{task.output.size}"


@dataclass(frozen=True, kw_only=True)
class Residual(SharingOptions):
    """A common head for all tasks of one kind, plus a small private head per task.

    Args:
        hidden: widths of hidden layers of the common head; none is a linear one.
        scale: factor of the private head's output.
    """

    hidden: Sequence[int] = ()
    scale: float = 1.0

    def build(self, width: int, tasks: TaskSet) -> ResidualSharing:
        return ResidualSharing(width, tasks, hidden=self.hidden, scale=self.scale)
