"""A merged model of which each task has one layer for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from polytask.errors import unknown
from polytask.files import verify, write_json
from polytask.merging.learning.experts import State
from polytask.merging.learning.folders import (
    new_folder,
    read_state,
    read_states,
    write_state,
    write_states,
)
from polytask.merging.sources.locate import read_json

__all__ = ["Tinted"]


@dataclass(frozen=True)
class Tinted:
    """A merged model, and the layer of each task.

    Args:
        shared: name -> tensor of the merged model, in the dtypes of the base.
        own: task -> name -> tensor of its layer.
        shares: task -> parameters of its layer as a share of those of the merged model.
        coefficients: task -> tensor -> factor of its change in the shared model.
        losses: the sum over all tasks before each step.
    """

    shared: State
    own: Mapping[str, State]
    shares: Mapping[str, float]
    coefficients: Mapping[str, Mapping[str, float]]
    losses: Sequence[float]

    def state(self, task: str) -> dict[str, Tensor]:
        """The whole model of a task.

        Raises:
            InputError: there is no such task.
        """
        if task not in self.own:
            raise unknown("task", task, self.own)
        return {**self.shared, **self.own[task]}

    def save(self, folder: str | Path) -> None:
        """Write ``tinted.json``, ``model.safetensors`` and ``layers.safetensors``, or nothing.

        The folder is a new one. The second file is the shared model, under its own names.

        Raises:
            InputError: the folder exists already.
            RunError: they cannot be written.
        """
        about = {"shares": self.shares, "coefficients": self.coefficients, "losses": self.losses}
        with new_folder(folder) as path:
            write_state(path / "model.safetensors", self.shared)
            write_states(path / "layers.safetensors", self.own)
            write_json(path / "tinted.json", {"tasks": list(self.own), **about})

    @classmethod
    def load(cls, folder: str | Path) -> Tinted:
        """What `save` wrote, on the CPU.

        Raises:
            InputError: the folder is not whole, or holds something else.
        """
        path = Path(folder)
        verify(path)
        about = read_json(path / "tinted.json")
        shared = read_state(path / "model.safetensors")
        own = read_states(path / "layers.safetensors", about["tasks"])
        return cls(shared, own, about["shares"], about["coefficients"], about["losses"])
