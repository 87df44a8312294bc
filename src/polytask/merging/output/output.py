"""What a merge writes: a folder with tensors and the files beside them, whole or not at all."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from polytask.errors import RunError
from polytask.files import whole_folder, write_json
from polytask.merging.adapters.heads import Head
from polytask.merging.adapters.truncation import Truncation
from polytask.merging.engine.stream import RoundingCost
from polytask.merging.engine.threads import Threads
from polytask.merging.output.writer import Writer
from polytask.merging.report import Report
from polytask.merging.sources.base import Entry

__all__ = ["Output", "Written", "write_folder"]

RESERVE = 1 << 24
"""Bytes that must be free beside the weights, for configuration and tokenizer."""


@dataclass(frozen=True)
class Written:
    """What writing the tensors showed.

    Args:
        cost: of rounding; None if it is not measured.
        truncations: what factors of low rank lost of each tensor that has some.
        left_out: squared norm of the change of each tensor that an adapter does not hold.
    """

    cost: RoundingCost | None
    truncations: Sequence[Truncation] = ()
    left_out: Mapping[str, float] = field(default_factory=dict)


class Output(ABC):
    """A model or an adapter that is to be written.

    Attributes:
        entries: its tensors.
        heads: those that adapters bring: name in the result -> head.
        stem: of the names of the files of weights.
        shard_size: most bytes of such a file.
        checksums: whether the folder has a manifest.
    """

    entries: Mapping[str, Entry]
    heads: Mapping[str, Head]
    stem: str
    shard_size: int
    checksums: bool

    @abstractmethod
    def write(self, writer: Writer, threads: Threads) -> Written:
        """Compute and write all tensors.

        Raises:
            InputError: an input or the result is not finite.
            OSError: a tensor cannot be written.
        """

    @abstractmethod
    def write_assets(self, folder: Path) -> None:
        """Write the files beside the weights.

        Raises:
            OSError: one cannot be written.
        """


def write_folder(
    out: Path, output: Output, threads: Threads, report: Callable[[Written], Report]
) -> Report:
    """Write a result; the folder appears when all of it is there.

    Args:
        out: the new folder.
        output: what is written.
        threads: that compute it.
        report: of what was written; it becomes ``merge.json``.

    Raises:
        InputError: an input or the result is not finite.
        RunError: it cannot be written.
    """
    _check_space(out, output.entries)
    with whole_folder(out, checksums=output.checksums, replace=False) as folder:
        writer = Writer(folder, output.entries, shard_size=output.shard_size, stem=output.stem)
        try:
            written = output.write(writer, threads)
        finally:
            writer.close()
        output.write_assets(folder)
        found = report(written)
        write_json(folder / "merge.json", found.to_json())
    return found


def _check_space(out: Path, entries: Mapping[str, Entry]) -> None:
    """Refuse to begin what does not fit on the disk."""
    folder = out.absolute().parent
    while not folder.exists():
        folder = folder.parent
    needed = sum(entry.size * entry.dtype.itemsize for entry in entries.values()) + RESERVE
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(f"cannot write {out}: needs {needed:,} bytes, {free:,} are free")
