"""Evidence on disk: plain arrays, nothing pickled, with checksums."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from polytask.errors import InputError
from polytask.files import verify, whole_folder
from polytask.tasks.metrics import Evidence

__all__ = ["load_evidence", "save_evidence"]

PARTS = ("scores", "targets", "mask")


def save_evidence(found: Mapping[str, Evidence], folder: Path) -> None:
    """Write a folder with an ``.npz`` of plain arrays per task, and checksums.

    Args:
        found: task -> evidence.
        folder: appears when all of it is written; an older one of that name is replaced.

    Raises:
        RunError: it cannot be written; nothing appears.
    """
    with whole_folder(folder) as partial:
        for name, evidence in found.items():
            np.savez_compressed(partial / f"{name}.npz", allow_pickle=False, **_arrays(evidence))


def load_evidence(folder: Path) -> dict[str, Evidence]:
    """Read what `save_evidence` wrote: task -> evidence.

    Raises:
        InputError: the folder is absent, or a file of it is absent, truncated, altered or added.
    """
    verify(folder)
    return {file.stem: _read(file) for file in sorted(folder.glob("*.npz"))}


def _arrays(evidence: Evidence) -> dict[str, np.ndarray]:
    """Name -> array; rows of different lengths as one array and their lengths."""
    arrays = {"ids": evidence.ids}
    for name in PARTS:
        values = getattr(evidence, name)
        if isinstance(values, np.ndarray):
            arrays[name] = values
        else:
            arrays[name] = np.concatenate(list(values))
            arrays["lengths"] = np.array([len(row) for row in values])
    return arrays


def _read(file: Path) -> Evidence:
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        ids, *parts = (arrays[name] for name in ("ids", *PARTS))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise InputError(f"{file}: cannot be read as evidence: {error}") from error
    if "lengths" not in arrays:
        return Evidence(ids, *parts)
    ends = arrays["lengths"].cumsum()[:-1]
    return Evidence(ids, *(np.split(part, ends) for part in parts))
