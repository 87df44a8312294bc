"""Evidence on disk: plain arrays, nothing pickled."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from polytask.errors import InputError
from polytask.tasks.metrics import Evidence

__all__ = ["load_evidence", "save_evidence"]

PARTS = ("scores", "targets", "mask")


def save_evidence(evidence: Evidence, file: Path) -> None:
    """Write evidence as an ``.npz`` of plain arrays."""
    arrays: dict[str, np.ndarray] = {"ids": evidence.ids}
    for name in PARTS:
        values = getattr(evidence, name)
        if isinstance(values, np.ndarray):
            arrays[name] = values
        else:
            arrays[name] = np.concatenate(list(values))
            arrays["lengths"] = np.array([len(row) for row in values])
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, allow_pickle=False, **arrays)


def load_evidence(file: Path) -> Evidence:
    """Read what `save_evidence` wrote.

    Raises:
        InputError: the file is absent or not readable.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        parts = [arrays[name] for name in PARTS]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{file}: cannot be read as evidence: {error}") from error
    if "lengths" not in arrays:
        return Evidence(arrays["ids"], *parts)
    ends = arrays["lengths"].cumsum()[:-1]
    return Evidence(arrays["ids"], *(np.split(part, ends) for part in parts))
