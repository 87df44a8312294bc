"""Everything a run needs to go on: written whole, read with checks, never pickled."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from polytask.errors import InputError
from polytask.files import verify, whole_folder
from polytask.training.weights import read_tensors, write_tensors

__all__ = ["Checkpoint", "Checkpoints"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a run at one moment.

    Args:
        step: number of steps that are done.
        tensors: file name (without ending) -> name -> tensor.
        state: plain values.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


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
        names = [path.name.removeprefix("step-") for path in self.folder.glob("step-*")]
        return sorted(int(name) for name in names if name.isdecimal())

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove the oldest ones and those of later steps.

        Raises:
            RunError: it cannot be written; the older checkpoints stay.
        """
        with whole_folder(self._path(checkpoint.step)) as folder:
            for name, group in checkpoint.tensors.items():
                write_tensors(group, folder / f"{name}.safetensors")
            (folder / "state.json").write_text(json.dumps(dict(checkpoint.state)))
        # Later ones were broken, or the run would have gone on from them.
        valid = [step for step in self.steps() if step <= checkpoint.step][-self.keep :]
        for step in set(self.steps()) - set(valid):
            shutil.rmtree(self._path(step), ignore_errors=True)

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint; None if there never was one.

        A broken one is passed over with a warning.

        Raises:
            InputError: there are checkpoints, but none is whole; names what is wrong with the
                newest.
        """
        wrong: list[InputError] = []
        for step in reversed(self.steps()):
            try:
                return self.load(step)
            except InputError as error:
                wrong.append(error)
                logger.warning("%s; trying the checkpoint before it", error)
        if wrong:
            raise InputError(f"no checkpoint is whole: {wrong[0]}")
        return None

    def load(self, step: int) -> Checkpoint:
        """A checkpoint.

        Raises:
            InputError: it is absent, truncated or altered; names the file.
        """
        folder = self._path(step)
        verify(folder)
        tensors = {file.stem: read_tensors(file) for file in folder.glob("*.safetensors")}
        return Checkpoint(step, tensors, json.loads((folder / "state.json").read_text()))

    def remove(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"
