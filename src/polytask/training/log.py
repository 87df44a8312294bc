"""The log of a run: one JSON object per line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from polytask.errors import RunError

__all__ = ["Log", "read_log"]


class Log:
    """Appends records to ``metrics.jsonl``; a resumed run forgets what came after its checkpoint.

    Args:
        file: the log.
        after: steps beyond this one are removed from an existing log.
    """

    def __init__(self, file: Path, *, after: int = 0) -> None:
        self.file = file
        kept = [record for record in read_log(file) if record["step"] <= after]
        file.parent.mkdir(parents=True, exist_ok=True)
        self._write("".join(_line(record) for record in kept), mode="w")

    def append(self, records: list[dict[str, Any]]) -> None:
        """Write records; each has a ``step``.

        Raises:
            RunError: they cannot be written.
        """
        if records:
            self._write("".join(_line(record) for record in records), mode="a")

    def _write(self, text: str, *, mode: str) -> None:
        try:
            with self.file.open(mode, encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise RunError(f"cannot write {self.file}: {error.strerror or error}") from error


def read_log(file: Path) -> list[dict[str, Any]]:
    """The records of a log; a last line that was cut off by a crash is left out."""
    if not file.exists():
        return []
    records = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record) + "\n"
