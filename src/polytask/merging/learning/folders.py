"""Learned tensors in a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from polytask.errors import InputError
from polytask.files import whole_folder
from polytask.merging.given import as_path
from polytask.merging.learning.experts import State
from polytask.merging.output.writer import Writer
from polytask.merging.sources.base import Entry
from polytask.merging.sources.checkpoint import Checkpoint

__all__ = ["new_folder", "read_state", "read_states", "write_state", "write_states"]


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """A folder to write into that appears when all of it is there.

    Raises:
        InputError: there is one of that name.
        RunError: it cannot be written.
    """
    path = as_path("folder", folder)
    if path.exists():
        raise InputError(f"{path}: exists already; choose another folder")
    with whole_folder(path, replace=False) as partial:
        yield partial


def write_state(file: Path, state: State) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: there is no space.
    """
    entries = {n: Entry(tuple(value.shape), value.dtype, str(file)) for n, value in state.items()}
    writer = Writer(file.parent, entries, shard_size=sys.maxsize, stem=file.stem)
    try:
        for name, value in state.items():
            writer.write(name, 0, value.detach().cpu().reshape(-1))
    finally:
        writer.close()


def write_states(file: Path, states: Mapping[str, State]) -> None:
    """Write the tensors of several tasks, each under the number of its task and its name.

    Raises:
        OSError: there is no space.
    """
    numbered = enumerate(states.values())
    write_state(
        file, {f"{i}.{name}": value for i, state in numbered for name, value in state.items()}
    )


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        InputError: it is absent, truncated or contradicts itself.
    """
    source = Checkpoint(str(file), [file])
    return {
        name: source.read(name, 0, entry.size).view(entry.shape).clone()
        for name, entry in source.entries.items()
    }


def read_states(file: Path, tasks: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """The tensors that `write_states` wrote.

    Args:
        file: with the tensors.
        tasks: in the order in which they were written.

    Raises:
        InputError: it is absent, truncated or contradicts itself.
    """
    states: dict[str, dict[str, Tensor]] = {task: {} for task in tasks}
    for numbered, value in read_state(file).items():
        number, name = numbered.split(".", 1)
        states[tasks[int(number)]][name] = value
    return states
