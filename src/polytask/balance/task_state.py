"""State that a balancer keeps by the name of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["TaskState"]


class TaskState(nn.Module):
    """Task -> tensor; a part of ``state_dict()`` whatever the names of the tasks are.

    Example:
        >>> state = TaskState()
        >>> state.put(["a", "b"], torch.tensor([1.0, 2.0]))
        >>> state.get(["b", "c"], 0.5)
        tensor([2.0000, 0.5000], dtype=torch.float64)
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Tensor] = {}

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def get(self, names: Sequence[str], default: float | Tensor) -> Tensor:
        """``[K, ...]`` the values of these tasks, float64 on the CPU.

        Args:
            names: the tasks.
            default: for a task that has no value yet.
        """
        fill = torch.as_tensor(default, dtype=torch.float64)
        return torch.stack([self.values.get(name, fill) for name in names])

    def put(self, names: Sequence[str], values: Tensor) -> None:
        """Remember ``values [K, ...]`` of these tasks."""
        kept = values.detach().to("cpu", torch.float64, copy=True)
        self.values.update(zip(names, kept.unbind(), strict=True))

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        for name, value in self.values.items():
            destination[prefix + name] = value.clone()

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Tensor], prefix: str, *_: Any, **__: Any
    ) -> None:
        start = len(prefix)
        self.values = {
            key[start:]: value.detach().to("cpu", torch.float64, copy=True)
            for key, value in state_dict.items()
            if key.startswith(prefix)
        }
