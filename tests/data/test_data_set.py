from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from tests.data.made import table

from polytask.data import DataSet, Split, Table, read_splits
from polytask.data.inputs import Features
from polytask.data.sources.base import Source
from polytask.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Numbers(Source):
    """Four rows from any file; remembers what it was asked."""

    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        self.asked.append((str(path), None if like is None else like.origin))
        return Table({"x": np.arange(4)}, str(path))


def test_one_file_is_cut() -> None:
    parts = read_splits(Numbers(), "a.csv", split=Split(fractions={"train": 0.5, "test": 0.5}))
    assert {name: len(part) for name, part in parts.items()} == {"train": 2, "test": 2}
    assert list(read_splits(Numbers(), None)) == ["train"]


def test_files_of_splits_are_read_like_the_training_file() -> None:
    source = Numbers()
    files = {"test": "t.csv", "train": ["a.csv", "b.csv"]}
    cut = Split(fractions={"train": 0.5, "validation": 0.5})
    parts = read_splits(source, files, split=cut, folder=Path("data"))
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 4, "validation": 4, "test": 4,
    }  # fmt: skip
    assert source.asked == [
        ("data/a.csv", None),
        ("data/b.csv", "data/a.csv"),
        ("data/t.csv", "data/a.csv, data/b.csv"),
    ]


def test_files_that_do_not_tell_the_splits() -> None:
    with pytest.raises(InputError, match="no training files"):
        read_splits(Numbers(), {"test": "t.csv"})
    with pytest.raises(InputError, match="unknown split 'tset'; did you mean 'test'"):
        read_splits(Numbers(), {"train": "a.csv", "tset": "t.csv"})
    cut = Split(fractions={"train": 0.5, "test": 0.5})
    with pytest.raises(InputError, match=r"\['test'\] are given as files and cut"):
        read_splits(Numbers(), {"train": "a.csv", "test": "t.csv"}, split=cut)
    with pytest.raises(InputError, match="name at least one"):
        read_splits(Numbers(), [])


def test_a_data_set_needs_rows_to_train_on() -> None:
    source = Features(numeric=["x"])
    with pytest.raises(InputError, match="no training split"):
        DataSet("d", source, {"test": table(x=[1])})
    with pytest.raises(InputError, match="split 'test' has no row"):
        DataSet("d", source, {"train": table(x=[1]), "test": table(x=[])})
    with pytest.raises(InputError, match="unknown split 'dev'"):
        DataSet("d", source, {"train": table(x=[1]), "dev": table(x=[1])})
