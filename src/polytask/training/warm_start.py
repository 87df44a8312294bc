"""Start from the weights of a finished run, as far as they fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from polytask.errors import InputError
from polytask.files import verify
from polytask.models import MultiTaskModel
from polytask.tasks import Output
from polytask.training.model_folder import model_folder
from polytask.training.weights import read_tensors

__all__ = ["WarmStart", "warm_start"]


@dataclass(frozen=True)
class WarmStart:
    """What was taken from another model.

    Args:
        source: the model folder.
        taken: weights that now have the values of the other model.
        left: weights of the other model that do not fit, with the reason.
        new: weights that the other model does not give; they keep their random start.
    """

    source: str
    taken: tuple[str, ...]
    left: Mapping[str, str]
    new: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"warm start from {self.source}: {len(self.taken)} weights taken, {len(self.left)} of "
            f"them left out, {len(self.new)} start anew"
        )


def warm_start(model: MultiTaskModel, source: Path, *, seed: int | None = None) -> WarmStart:
    """Take the weights of a finished run whose names and shapes agree.

    The head of a task is left out if its classes are others, since its rows mean something else.

    Args:
        model: takes the weights.
        source: the folder of a run or of one model.
        seed: of several models in a run, the one of this seed is taken, or the first.

    Raises:
        InputError: it holds no trained model, a file is truncated or altered, or nothing fits.
    """
    folder = _find(source, seed)
    verify(folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    found = read_tensors(folder / "model.safetensors")
    own = model.state_dict()
    other_classes = _other_classes(model, description["tasks"])
    left = {
        name: reason
        for name, value in found.items()
        if (reason := _misfit(name, value, own, other_classes))
    }
    taken = {name: value for name, value in found.items() if name not in left}
    if not taken:
        first = next(iter(left.items()), ("", "it has no weights"))
        raise InputError(f"model.warm_start: {folder}: no weight fits: {': '.join(first)}")
    model.load_state_dict({**own, **taken})
    new = tuple(name for name in own if name not in taken)
    return WarmStart(str(folder), tuple(taken), left, new)


def _find(source: Path, seed: int | None) -> Path:
    try:
        first = model_folder(source)
    except InputError as error:
        raise InputError(f"model.warm_start: {error}") from error
    same_seed = source / "multi" / f"seed-{seed}" / "model"
    return same_seed if (same_seed / "model.json").is_file() else first


def _misfit(
    name: str, value: Tensor, own: Mapping[str, Tensor], other_classes: tuple[str, ...]
) -> str | None:
    """Why a weight cannot be taken; None if it can."""
    if name not in own:
        return "not in the model"
    if value.shape != own[name].shape:
        return f"shape {list(value.shape)}, in the model {list(own[name].shape)}"
    if other_classes and name.startswith(other_classes):
        return "the classes of the task are others"
    return None


def _other_classes(model: MultiTaskModel, tasks: list[dict[str, Any]]) -> tuple[str, ...]:
    """Starts of the names of heads whose tasks had other classes."""
    before = {task["name"]: task["output"].get("classes") for task in tasks}
    return tuple(
        model.head_prefix(name)
        for name, task in model.tasks.items()
        if name in before and before[name] != _classes(task.output)
    )


def _classes(output: Output) -> list[Any] | None:
    """The classes of a fitted output as JSON has them; None if it has none."""
    classes = vars(output).get("classes")
    return None if classes is None else json.loads(json.dumps(classes))
