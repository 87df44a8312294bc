"""Eight ways to sort short English texts, read from the shared data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polytask.data.sources.base import Source
from polytask.data.sources.csv import CSV
from polytask.data.sources.labelled_text import LabelledText
from polytask.data.sources.parallel import Parallel
from polytask.data.splits import Split
from polytask.data.table import Table

__all__ = ["TASKS", "Examples", "Task", "read_tasks"]

SPLITS = ("train", "validation", "test")
LINES = LabelledText(encoding="latin-1")


@dataclass(frozen=True)
class Examples:
    """Texts and the numbers of their classes."""

    texts: list[str]
    labels: np.ndarray

    def first(self, count: int) -> Examples:
        """So many of them; they are in no order already."""
        return Examples(self.texts[:count], self.labels[:count])

    def rows(self, rows: np.ndarray) -> Examples:
        """Those of some numbers."""
        return Examples([self.texts[row] for row in rows], self.labels[rows])


@dataclass(frozen=True)
class Task:
    """Where the examples of a task are.

    Args:
        files: split -> file; a validation split that is missing is a tenth of the training split,
            a test split too where there is only one file.
        source: what reads the files.
        columns: of the text and the class.
    """

    files: Mapping[str, str]
    source: Source = LINES
    columns: tuple[str, str] = ("text", "label")

    def read(self, data: Path) -> dict[str, Examples]:
        """The three splits, each shuffled in the same way; no text is in two of them."""
        tables = {split: self.source.read(data / file) for split, file in self.files.items()}
        missing = [split for split in SPLITS if split not in tables]
        if missing:
            shares = {"train": 1 - 0.1 * len(missing), **dict.fromkeys(missing, 0.1)}
            split = Split(fractions=shares, seed=0, stratify=self.columns[1])
            tables.update(split.apply(tables["train"]))
        classes = sorted({*map(str, tables["train"].column(self.columns[1]))})
        found: dict[str, Examples] = {}
        seen: set[str] = set()
        for split in reversed(SPLITS):
            found[split] = self._examples(tables[split], classes, without=seen)
            seen |= {*found[split].texts}
        return found

    def _examples(self, table: Table, classes: list[str], *, without: set[str]) -> Examples:
        numbers = {name: number for number, name in enumerate(classes)}
        order = np.random.default_rng(0).permutation(len(table))
        text, label = (table.column(name)[order] for name in self.columns)
        pairs = [(str(t), numbers[str(n)]) for t, n in zip(text, label, strict=True)]
        kept = [(t, number) for t, number in pairs if t not in without]
        return Examples([t for t, _ in kept], np.array([number for _, number in kept]))


def _tweets(name: str) -> Task:
    """A task of TweetEval: three pairs of files."""
    return Task({"train": "train", "validation": "val", "test": "test"}, _TweetFiles(folder=name))


@dataclass(frozen=True, kw_only=True)
class _TweetFiles(Source):
    """Texts and labels in two files whose names begin with that of the split."""

    folder: str

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        assert path is not None
        files = {"text": f"{path.name}_text.txt", "label": f"{path.name}_labels.txt"}
        return Parallel(files=files).read(path.parent / f"text/tweeteval/{self.folder}", like=like)


SENTENCES = "text/sentences"
TASKS: Mapping[str, Task] = {
    "sst2": Task(
        {
            "train": f"{SENTENCES}/stsa.binary.train",
            "validation": f"{SENTENCES}/stsa.binary.dev",
            "test": f"{SENTENCES}/stsa.binary.test",
        }
    ),
    "subj": Task({"train": f"{SENTENCES}/subj.all"}),
    "trec": Task({"train": f"{SENTENCES}/TREC.train.all", "test": f"{SENTENCES}/TREC.test.all"}),
    "mpqa": Task({"train": f"{SENTENCES}/mpqa.all"}),
    "cr": Task({"train": f"{SENTENCES}/custrev.all"}),
    "emotion": _tweets("emotion"),
    "offensive": _tweets("offensive"),
    "banking77": Task(
        {"train": "text/banking77/train.csv", "test": "text/banking77/test.csv"},
        CSV(),
        ("text", "category"),
    ),
}


def read_tasks(data: Path) -> dict[str, dict[str, Examples]]:
    """Task -> split -> examples."""
    return {name: task.read(data) for name, task in TASKS.items()}
