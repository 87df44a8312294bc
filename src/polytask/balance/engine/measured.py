"""Gradients of tasks at a place where they are compared.

Shapes: K tasks, N numbers at that place.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from polytask.balance.engine.processes import Processes

__all__ = ["Measured"]


class Measured(Protocol):
    """What the balancing of a group of parameters needs of the gradients; several places offer it.

    The gradients are those of the losses times ``scale``, the factor of a gradient scaler.
    """

    @property
    def rows(self) -> Tensor:
        """``[K, N]`` the gradients, times ``scale``; may be written to when nothing else is due."""

    def combine(self, processes: Processes) -> None:
        """Make the gradients those of all processes, where they are of parameters."""

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products over all processes without ``scale``, float64 on the CPU."""

    def apply(self, weights: Tensor) -> None:
        """Turn ``weights [K]`` of the gradients into gradients of the shared parameters."""

    def apply_update(self, update: Tensor) -> None:
        """Turn an ``update [N]`` into gradients of the shared parameters."""
