"""Which files belong together, and which of them are for training, validation and test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.data.sources.files import existing
from polytask.data.sources.guess import INSIDE, SAVED
from polytask.errors import InputError

__all__ = ["FileGroup", "data_name", "group_files", "is_parallel", "split_of"]

WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development"),
    "test": ("test", "testing", "tst"),
}
SPLIT_OF = {word: split for split, words in WORDS.items() for word in words}
SPLIT_WORD = re.compile(
    rf"(?<![a-z])({'|'.join(sorted(SPLIT_OF, key=len, reverse=True))})(?![a-z])", re.IGNORECASE
)
ENDINGS = re.compile(
    r"(\.(csv|tsv|txt|data|jsonl?|ndjson|parquet|conllu?|npz|arff|mat|zip|gz|all))+$", re.IGNORECASE
)


@dataclass(frozen=True)
class FileGroup:
    """The files of one data set.

    Args:
        name: what their names have in common.
        files: split -> files; the only key is ``""`` if the names tell no splits.
    """

    name: str
    files: dict[str, list[Path]]

    @property
    def first(self) -> Path:
        """The file that is looked at first: one for training if that is known."""
        return (self.files.get("train") or next(iter(self.files.values())))[0]


def group_files(paths: Sequence[Path]) -> list[FileGroup]:
    """The data sets that these files and folders are.

    Raises:
        InputError: no path, or one that does not exist; a folder that says nothing.
    """
    if not paths:
        raise InputError("no data files: name at least one")
    found: dict[tuple[Path, str], dict[str, list[Path]]] = {}
    for path in paths:
        for file in _files(existing(path, folder=None)):
            split, rest = split_of(file.name)
            key = (file.parent, rest if split else file.name)
            found.setdefault(key, {}).setdefault(split or "", []).append(file)
    return [_group(rest, files) for (_, rest), files in found.items()]


def split_of(name: str) -> tuple[str | None, str]:
    """The split that a file name tells, and the rest of the name.

    Example:
        >>> split_of("en-dev.conllu"), split_of("tox21.csv")
        (('validation', 'en-.conllu'), (None, 'tox21.csv'))
    """
    match = SPLIT_WORD.search(name)
    if match is None:
        return None, name
    return SPLIT_OF[match[0].lower()], name[: match.start()] + name[match.end() :]


def data_name(text: str, *, default: str = "data") -> str:
    """A file name as the name of a data set: without endings, letters, digits and ``_`` only."""
    return re.sub(r"[\W_]+", "_", ENDINGS.sub("", text)).strip("_") or default


def is_parallel(folder: Path) -> bool:
    """Whether a folder may hold parallel files: several, none of them named after a split."""
    names = [p.name for p in _visible(folder) if p.is_file()]
    return len(names) > 1 and not any(split_of(name)[0] for name in names)


def _group(rest: str, files: dict[str, list[Path]]) -> FileGroup:
    first = next(iter(files.values()))[0]
    if set(files) != {""} and "train" not in files:
        if len(files) > 1:
            shown = ", ".join(str(file) for group in files.values() for file in group)
            raise InputError(f"no file for training among {shown}: name one as well")
        files = {"": next(iter(files.values()))}
    return FileGroup(data_name(rest, default=data_name(first.absolute().parent.name)), files)


def _files(path: Path) -> Iterator[Path]:
    """The path itself, or the splits in the folder."""
    if not path.is_dir() or any((path / name).exists() for name in SAVED):
        yield path
        return
    children = _visible(path)
    splits = [child for child in children if split_of(child.name)[0]]
    media = any(child.suffix.lower() in INSIDE for child in children)
    if splits and not media:
        yield from splits
    elif any(child.is_dir() and not split_of(child.name)[0] for child in children) and not any(
        file.suffix.lower() in INSIDE for file in path.rglob("*")
    ):
        raise InputError(f"{path}: this folder holds folders; name the files, or one folder in it")
    else:
        yield path


def _visible(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))
