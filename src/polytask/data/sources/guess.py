"""Which source reads a file, judged by its name."""

from __future__ import annotations

from pathlib import Path

from polytask.data.sources.files import existing
from polytask.data.sources.packed import open_zip
from polytask.errors import InputError

__all__ = ["ending_of", "guess_source", "source_of_ending"]

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".conll": "conll",
    ".conllu": "conllu",
    ".npz": "npz",
    ".arff": "arff",
    ".mat": "matlab",
}
INSIDE = {".wav": "wav", ".png": "images", ".jpg": "images", ".jpeg": "images"}
"""Endings of the files in an archive or folder."""

SAVED = ("dataset_dict.json", "dataset_info.json")
"""What ``datasets.save_to_disk`` writes into a folder."""


def guess_source(path: str | Path) -> str:
    """The name in `SOURCES` of the source that reads a file, by the ending of its name.

    ``.gz`` after the ending does not matter. A folder or zip archive is judged by the files in it.

    Raises:
        InputError: the ending says nothing; an archive or folder is missing or holds nothing known.

    Example:
        >>> guess_source("train.csv.gz")
        'csv'
    """
    path = Path(path)
    found = source_of_ending(path)
    if found is not None and not path.is_dir():
        return found
    if ending_of(path) == ".zip" or path.is_dir():
        return _guess_inside(existing(path, folder=None))
    known = ", ".join(ENDINGS)
    raise InputError(f"{path}: cannot tell the source from the name; give 'type' (known: {known})")


def ending_of(path: str | Path) -> str:
    """How a file name ends, in lower case and without ``.gz``.

    Example:
        >>> ending_of("train.CSV.gz")
        '.csv'
    """
    return Path(Path(path).name.removesuffix(".gz")).suffix.lower()


def source_of_ending(path: str | Path) -> str | None:
    """The source of which a file name has the ending; None if the ending says nothing."""
    return ENDINGS.get(ending_of(path))


def _guess_inside(path: Path) -> str:
    names = _names(path)
    if path.is_dir() and any((path / name).exists() for name in SAVED):
        return "datasets"
    for name in sorted(names):
        source = INSIDE.get(Path(name).suffix.lower())
        if source is not None:
            return source
    known = ", ".join(INSIDE)
    raise InputError(f"{path}: no file that tells the source ({known}) is in it; give 'type'")


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return [item.name for item in path.rglob("*") if item.is_file()]
    with open_zip(path) as archive:
        return archive.namelist()
