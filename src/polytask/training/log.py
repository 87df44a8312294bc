"""The log of a run: one JSON object per line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.errors import RunError
from polytask.files import write_text

__all__ = ["Log", "read_log"]


class Log:
    """Appends records to a file; a resumed run forgets what came after its checkpoint.

    Args:
        file: the log.
        after: steps beyond this one are removed from an existing log.

    Raises:
        RunError: it cannot be written.
    """

    def __init__(self, file: Path, *, after: int = 0) -> None:
        self.file = file
        kept = [record for record in read_log(file) if record["step"] <= after]
        write_text(file, "".join(_line(record) for record in kept))

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records; each has a ``step``. A value that is no number becomes null.

        Raises:
            RunError: they cannot be written.
        """
        try:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write("".join(_line(record) for record in records))
        except OSError as error:
            raise RunError(f"cannot write {self.file}: {error.strerror or error}") from error

    def sync(self) -> None:
        """Wait until all is on the disk, for the moment before a checkpoint that relies on it."""
        with self.file.open("rb") as stream:
            os.fsync(stream.fileno())


def read_log(file: Path) -> list[dict[str, Any]]:
    """The records of a log; a last line that was cut off by a crash is left out."""
    if not file.exists():
        return []
    records = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(_defined(record), allow_nan=False) + "\n"


def _defined(value: Any) -> Any:
    """Plain values in which NaN and infinity, which JSON does not have, are None."""
    if isinstance(value, Mapping):
        return {key: _defined(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
