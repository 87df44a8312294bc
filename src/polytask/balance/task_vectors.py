"""Vectors as long as a gradient that a balancer keeps by the name of the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from polytask.balance.task_state import TaskState
from polytask.errors import InputError

__all__ = ["TaskVectors", "lengths_of"]


def lengths_of(rows: Tensor) -> Tensor:
    """``[K]`` lengths of ``rows [K, P]``, float64 on the CPU; infinite where a square overflows."""
    return torch.stack([row.norm() for row in rows]).to("cpu", torch.float64)


class TaskVectors(TaskState):
    """Task -> vector, on the device and in the precision of its gradient.

    Example:
        >>> state = TaskVectors()
        >>> state.of("a", torch.ones(2)).add_(3.0)
        tensor([3., 3.])
        >>> state.of("a", torch.ones(2))
        tensor([3., 3.])
    """

    def of(self, name: str, like: Tensor) -> Tensor:
        """The vector ``[P]`` of a task, to be written to; zeros at first.

        Args:
            name: the task.
            like: ``[P]`` its gradient.

        Raises:
            InputError: the gradient is longer or shorter than at the steps before.
        """
        found = self.values.get(name)
        found = torch.zeros_like(like) if found is None else found.to(like)
        if found.shape != like.shape:
            raise InputError(
                f"balance: the gradient of {name!r} has {len(like)} numbers, at earlier steps it "
                f"had {len(found)}: this method needs the same shared parameters at every step"
            )
        self.values[name] = found
        return found

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Tensor], prefix: str, *_: Any, **__: Any
    ) -> None:
        self.values = {
            key.removeprefix(prefix): value.detach().clone()
            for key, value in state_dict.items()
            if key.startswith(prefix)
        }
