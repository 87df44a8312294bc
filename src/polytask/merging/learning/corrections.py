"""What is taken away from the features of a merged model, for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from polytask.errors import InputError
from polytask.files import verify, write_json
from polytask.merging.learning.experts import State
from polytask.merging.learning.folders import new_folder, read_states, write_states
from polytask.merging.sources.locate import read_json

__all__ = ["Correction", "Surgery"]


class Correction(nn.Module):
    """z - U relu(D z): takes away what a bottleneck finds in features.

    It changes nothing before it has learned: U starts at 0.

    Shapes: D width of the features.

    Args:
        width: of the features.
        rank: width of the bottleneck.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, width, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Corrected features, in their dtype.

        Args:
            features: ``[..., D]``

        Raises:
            InputError: they have another width.
        """
        width = self.down.in_features
        if features.dim() == 0 or features.shape[-1] != width:
            shape = " x ".join(map(str, features.shape)) or "scalar"
            raise InputError(f"features: are {shape}, this correction takes [..., {width}]")
        found: Tensor = self.up(self.down(features.to(self.down.weight.dtype)).relu())
        return features - found.to(features.dtype)


@dataclass(frozen=True)
class Surgery:
    """What corrects the features of a merged model, and how far they were from those of experts.

    The representation bias of a task is the mean absolute difference between the features of the
    merged model and those of the expert of the task.

    Args:
        corrections: task -> what its features go through before its head.
        before: task -> representation bias of the merged model.
        after: task -> representation bias with the correction.
        losses: the sum of the biases of all tasks on the batches of each step.
    """

    corrections: Mapping[str, Correction]
    before: Mapping[str, float]
    after: Mapping[str, float]
    losses: Sequence[float]

    def save(self, folder: str | Path) -> None:
        """Write ``surgery.json`` and ``surgery.safetensors`` into a new folder, or nothing.

        Raises:
            InputError: the folder exists already.
            RunError: they cannot be written.
        """
        states = {task: each.state_dict() for task, each in self.corrections.items()}
        about = {"before": self.before, "after": self.after, "losses": self.losses}
        with new_folder(folder) as path:
            write_states(path / "surgery.safetensors", states)
            write_json(path / "surgery.json", {"tasks": list(states), **about})

    @classmethod
    def load(cls, folder: str | Path) -> Surgery:
        """What `save` wrote, on the CPU.

        Raises:
            InputError: the folder is not whole, or holds something else.
        """
        path = Path(folder)
        verify(path)
        about = read_json(path / "surgery.json")
        states = read_states(path / "surgery.safetensors", about["tasks"])
        corrections = {task: _restored(state) for task, state in states.items()}
        return cls(corrections, about["before"], about["after"], about["losses"])


def _restored(state: State) -> Correction:
    rank, width = state["down.weight"].shape
    correction = Correction(width, rank)
    correction.load_state_dict(state)
    return correction
