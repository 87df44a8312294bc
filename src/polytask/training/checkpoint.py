"""Everything a run needs to go on: written whole, read with checks, never pickled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.training.files import verify, whole_folder

__all__ = ["Checkpoints", "load_optimizer", "load_weights", "optimizer_state", "save_weights"]


class Checkpoints:
    """The checkpoints of a run, in a folder of their own.

    Args:
        folder: holds one folder per checkpoint, ``step-00000200``.
        keep: number of checkpoints that are kept.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def steps(self) -> list[int]:
        """The steps at which a checkpoint is there, in order."""
        return sorted(int(path.name.removeprefix("step-")) for path in self.folder.glob("step-*"))

    def save(
        self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
    ) -> None:
        """Write a checkpoint, then remove the oldest ones.

        Args:
            step: number of steps that are done.
            tensors: file name (without ending) -> tensors.
            state: plain values.

        Raises:
            RunError: it cannot be written; the older checkpoints stay.
        """
        with whole_folder(self._path(step)) as folder:
            for name, group in tensors.items():
                save_file(
                    {k: v.contiguous() for k, v in group.items()}, folder / f"{name}.safetensors"
                )
            (folder / "state.json").write_text(json.dumps(dict(state)))
        for old in self.steps()[: -self.keep]:
            shutil.rmtree(self._path(old))

    def load(self, step: int) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """The tensors and the state of a checkpoint.

        Raises:
            InputError: it is truncated or altered.
        """
        folder = self._path(step)
        verify(folder)
        tensors = {file.stem: read_tensors(file) for file in folder.glob("*.safetensors")}
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        return tensors, state

    def remove(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        InputError: it is absent or no safetensors file.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file}: cannot be read as safetensors: {error}") from error


def save_weights(model: nn.Module, file: Path) -> None:
    """Write the weights of a model."""
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, file)


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Put weights into a model that has exactly these.

    Raises:
        InputError: a weight is absent, left over, or of another shape; names the first ones.
    """
    own = model.state_dict()
    wrong = sorted(set(own) ^ set(tensors)) + sorted(
        name for name in set(own) & set(tensors) if own[name].shape != tensors[name].shape
    )
    if wrong:
        raise InputError(
            f"{where}: weights do not fit the model: {wrong[:5]} ({len(wrong)} in all)"
        )
    model.load_state_dict(dict(tensors))


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The state of an optimiser as tensors: ``<parameter name>/<key>``."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}/{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
        if value is not None
    }


def load_optimizer(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Put a state back that `optimizer_state` gave."""
    parameters = dict(model.named_parameters())
    for path, value in tensors.items():
        name, _, key = path.rpartition("/")
        parameter = parameters[name]
        optimizer.state[parameter][key] = value.to(parameter.device, copy=True)
