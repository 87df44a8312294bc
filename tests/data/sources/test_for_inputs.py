"""Files without targets: what each source leaves out when only the inputs are needed."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import scipy.io

from polytask.data import Table
from polytask.data.sources import SOURCES
from polytask.errors import InputError


def read(path: Path, spec: dict[str, Any], columns: list[str]) -> Table:
    return SOURCES.build(spec).for_inputs(path, columns).read(path)


def values(table: Table) -> dict[str, Any]:
    return {name: column.tolist() for name, column in table.columns.items()}


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("header", [True, False])
def test_named_columns_are_all_there_or_the_needed_alone(
    kind: str, header: bool, tmp_path: Path
) -> None:
    path, cut = tmp_path / "d.gz", "," if kind == "csv" else "\t"
    spec = {"type": kind, "names": ["label", "b", "c", "a"], "header": header}

    def found(*rows: str) -> Table:
        text = "\n".join([*([rows[0]] if header else []), *rows]).replace(",", cut)
        path.write_bytes(gzip.compress(text.encode()))
        return read(path, spec, ["a", "b"])

    assert values(found("x,1,?,2", "y,3,?,4")) == {
        "label": ["x", "y"], "b": [1, 3], "c": ["?", "?"], "a": [2, 4],
    }  # fmt: skip
    assert values(found("1,2", "3,4")) == {"b": [1, 3], "a": [2, 4]}
    with pytest.raises(InputError, match=r"d\.gz, line \d: expected 4 cells .*got 3"):
        found("1,2,3")


def test_columns_of_text_need_not_be_there(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a,b\n01,02\n")
    assert values(read(path, {"type": "csv", "text": ["a", "label"]}, ["a"])) == {
        "a": ["01"], "b": [2],
    }  # fmt: skip
    with pytest.raises(InputError, match="option text: unknown column 'c'"):
        read(path, {"type": "csv", "text": ["c"]}, ["c"])


def test_words_alone(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("a\nb\n\nc\n")
    spec = {"type": "conll", "names": ["words", "_", "tags"]}
    assert values(read(path, spec, ["words"])) == {"words": [["a", "b"], ["c"]]}
    path.write_text("a x\nb x\n")
    with pytest.raises(InputError, match=r"line 1: expected 3 columns .*got 2"):
        read(path, spec, ["words"])
    path.write_text("# nothing else\n")
    with pytest.raises(InputError, match="no rows"):
        read(path, {**spec, "comment": "#"}, ["words"])


def test_a_treebank_without_syntax(tmp_path: Path) -> None:
    path = tmp_path / "d.conllu"
    path.write_text("1\ta\t_\t_\t_\tNumber=Sing\t_\t_\t_\t_\n")
    assert "head" not in read(path, {"type": "conllu"}, ["form"]).columns
    assert not [n for n in read(path, {"type": "conllu"}, ["form"]).columns if "feats" in n]
    needed = read(path, {"type": "conllu"}, ["form", "feats.Number", "feats.Case"])
    assert values(needed)["feats.Number"] == [["Sing"]]
    assert values(needed)["feats.Case"] == [["_"]]
    with pytest.raises(InputError, match="column 'head'"):
        read(path, {"type": "conllu"}, ["head"])


def test_matrices_without_targets(tmp_path: Path) -> None:
    path = tmp_path / "d.mat"
    scipy.io.savemat(path, {"X": np.array([[1.5, 2.0]]), "school": np.array([[7]])})
    spec = {"type": "matlab", "task": "school"}
    assert values(read(path, spec, ["x0", "x1"])) == {"x0": [1.5], "x1": [2]}
    assert values(read(path, spec, ["x0", "task"])) == {"x0": [1.5], "x1": [2], "task": [7]}
    with pytest.raises(InputError, match="unknown variable 'Y'"):
        SOURCES.build("matlab").read(path)
    assert list(SOURCES.build({"type": "matlab", "target": None}).read(path).columns) == [
        "x0",
        "x1",
    ]


def test_arrays_that_are_not_needed_may_differ_in_length(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x_train=np.zeros((3, 2)), other=np.zeros(9))
    spec = {"type": "npz", "columns": {"x": "x_train", "y": "y_train"}}
    assert list(read(path, spec, ["x"]).columns) == ["x"]
    assert list(read(path, {"type": "npz"}, ["x_train"]).columns) == ["x_train"]
    with pytest.raises(InputError, match="unknown array 'x'"):
        read(path, {"type": "npz"}, ["x"])


def test_keys_and_columns_that_are_not_needed(tmp_path: Path) -> None:
    lines = tmp_path / "d.jsonl"
    lines.write_text('{"a": 1, "more": {"b": 2}}\n{"more": 1}\n')
    found = read(lines, {"type": "jsonl"}, ["a"])
    np.testing.assert_array_equal(found.columns["a"], [1, np.nan])
    with pytest.raises(InputError, match=r"d\.jsonl: unknown column 'b'"):
        read(lines, {"type": "jsonl"}, ["b"])
    datasets.Dataset.from_dict({"a": [1], "c": [2]}).save_to_disk(tmp_path / "saved")
    spec = {"type": "datasets", "columns": ["label", "a"]}
    assert values(read(tmp_path / "saved", spec, ["a"])) == {"a": [1]}


def test_file_names_tell_what_is_needed(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (2, 2)).save(tmp_path / "site3.png")
    spec = {"type": "images", "pattern": r"site(?P<site>\d)_(?P<label>[a-z]+)"}
    assert list(read(tmp_path, spec, ["image"]).columns) == ["image", "file"]
    with pytest.raises(InputError, match=r"'site3\.png' does not match"):
        read(tmp_path, spec, ["image", "site"])


def test_new_files_may_lie_elsewhere(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    spec = {"type": "images", "include": "train/*"}
    assert values(read(tmp_path, spec, ["image"]))["file"] == ["a.png"]
    assert values(read(tmp_path / "a.png", spec, ["image"]))["file"] == ["a.png"]
    (tmp_path / "train").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "train" / "b.png")
    assert values(read(tmp_path, spec, ["image"]))["file"] == ["train/b.png"]
    with pytest.raises(InputError, match=r"whose name matches 'train/\*'"):
        SOURCES.build(spec).read(tmp_path / "a.png")


def test_a_source_without_options_stays_as_it_is(tmp_path: Path) -> None:
    for name in ("arff", "labelled_text", "multidigits"):
        source = SOURCES.build(name)
        assert source.for_inputs(tmp_path, ["a"]) is source
