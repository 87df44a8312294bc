"""What a model remembers of how its files were read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polytask.construct import construct, plain
from polytask.data import Table
from polytask.data.sources.build import build_source
from polytask.data.sources.columns import object_array
from polytask.data.sources.csv import CSV
from polytask.data.sources.saved import SavedSource, as_in_training, saved_source
from polytask.errors import InputError

TRAIN = Table(
    {
        "count": np.array([1, 2]),
        "size": np.array([np.nan, 0.5]),
        "code": object_array([None, "007"]),
        "words": object_array([["a"], ["b", "c"]]),
        "vector": object_array([[1, 2], [0.5]]),
        "picture": np.zeros((2, 4, 4)),
        "nothing": np.array([np.nan, np.nan]),
        "label": object_array(["x", "y"]),
    },
    "train.csv",
)
INPUTS = [name for name in TRAIN.columns if name != "label"]


def test_what_is_remembered_goes_to_json_and_back() -> None:
    spec = {"type": "csv", "delimiter": ";"}
    files = {"train": ["a.csv.gz", "b.CSV"], "test": "c.data"}
    saved = saved_source(spec, files, TRAIN, INPUTS)
    assert saved.endings == (".csv", ".data")
    assert saved.kinds == {
        "count": "number", "size": "number", "code": "text", "words": "list of words",
        "vector": "list of numbers",
    }  # fmt: skip
    assert construct(SavedSource, plain(saved), kind="key", where="") == saved
    assert saved.build(where="here") == CSV(delimiter=";")
    assert saved_source("multidigits", None, TRAIN, ["count"]) == SavedSource(
        source={"type": "multidigits"}, kinds={"count": "number"}
    )


def test_a_file_is_read_as_training_was(tmp_path: Path) -> None:
    like = as_in_training([saved_source("csv", "a.csv", TRAIN, INPUTS)])
    path = tmp_path / "new.csv"
    path.write_text("code,count,size\n007,1,2\n7,,3\n")
    table = CSV().read(path, like=like)
    assert table.columns["code"].tolist() == ["007", "7"]
    np.testing.assert_array_equal(table.columns["count"], [1, np.nan])
    path.write_text("code,count\n007,1\n7,few\n")
    with pytest.raises(
        InputError, match=r"line 3, column 'count': .*\(as in training\), got 'few'"
    ):
        CSV().read(path, like=like)


def test_only_what_all_data_sets_agree_on_is_expected() -> None:
    one = SavedSource(source={"type": "csv"}, kinds={"a": "text", "b": "number"})
    two = SavedSource(source={"type": "csv"}, kinds={"a": "number", "c": "text"})
    assert set(as_in_training([one, two]).columns) == {"b", "c"}
    assert not as_in_training([]).columns


@pytest.mark.parametrize(
    ("spec", "files", "file", "reads"),
    [
        ("csv", "a.csv", "b.csv.gz", True),
        ("csv", "a.data", "b.csv", True),
        ("csv", "a.csv", "b.txt", True),
        ("csv", "a.tsv", "b.TSV", True),
        ("csv", "a.csv", "b.tsv", False),
        ("csv", "a.csv", "b.jsonl", False),
        ("wav", "a.zip", "folder", True),
        ("wav", "a.zip", "b.csv", False),
        ("multidigits", None, "b.npz", False),
    ],
)
def test_an_ending_of_another_format(spec: str, files: str | None, file: str, reads: bool) -> None:
    assert saved_source(spec, files, TRAIN, []).reads(Path(file)) == reads


def test_a_recipe_cannot_trust_itself() -> None:
    spec = {"type": "function", "function": "no_such_module:read", "trust": True}
    source = build_source(spec, where="data.d.source")
    with pytest.raises(InputError, match="pass --trust"):
        source.read(None)
    place = r"^data\.d\.source\.function: there is no module 'no_such_module'.*PYTHONPATH"
    with pytest.raises(InputError, match=place):
        build_source(spec, where="data.d.source", trust=True)
    with pytest.raises(InputError, match=r"^data\.d\.source: .*'function'"):
        build_source({"type": "function", "funtion": "a:b"}, where="data.d.source")
    assert build_source("csv", where="here") == CSV()
