import sys
import types

import numpy as np
import pytest

from polytask.data.sources.function import Function
from polytask.data.table import Table
from polytask.errors import InputError


def columns(path=None, *, rows=2):
    return {"a": list(range(rows)), "b": np.ones((rows, 3)), "path": [str(path)] * rows}


def table(path=None):
    return Table({"a": np.array([1])}, "mine")


def broken(path=None):
    raise KeyError("oh")


def other(path=None):
    return [1]


@pytest.fixture(autouse=True)
def module(monkeypatch):
    mine = types.ModuleType("functions_of_a_user")
    for function in (columns, table, broken, other):
        setattr(mine, function.__name__, function)
    mine.text = lambda: {"a": "abc"}
    mine.mixed = lambda: {"a": [1, "x"]}
    mine.none = lambda: {"a": []}
    mine.number = 3
    monkeypatch.setitem(sys.modules, mine.__name__, mine)


def source(name, **options):
    return Function(function=f"functions_of_a_user:{name}", trust=True, **options)


def test_mapping(tmp_path):
    got = source("columns", options={"rows": 3}).read(tmp_path)
    assert got.columns["a"].tolist() == [0, 1, 2]
    assert got.columns["b"].shape == (3, 3)
    assert got.columns["path"].tolist() == [str(tmp_path)] * 3


def test_path_is_left_out_if_there_is_none():
    assert source("columns").read(None).columns["path"].tolist() == ["None", "None"]


def test_table():
    assert source("table").read(None).origin == "mine"


def test_training_file_has_another_kind():
    like = Table({"a": np.array(["x"], dtype=object)}, "train")
    for name in ("table", "columns"):
        with pytest.raises(InputError, match="column 'a': expected text"):
            source(name).read(None, like=like)


def test_code_runs_only_if_it_is_trusted():
    with pytest.raises(InputError, match="--trust"):
        Function(function="functions_of_a_user:broken").read(None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("colums", "did you mean 'columns'"),
        ("number", "this is not a function"),
        ("broken", r"failed: KeyError\('oh'\)"),
        ("other", "expected a Table or a mapping, got list"),
        ("text", "column 'a': expected a list, got str"),
        ("mixed", "row 2, column 'a': expected a number"),
        ("none", "no rows"),
    ],
)
def test_bad_functions(name, message):
    with pytest.raises(InputError, match=message):
        source(name).read(None)


@pytest.mark.parametrize("name", ["", "module", "module:", ":name"])
def test_bad_options(name):
    with pytest.raises(InputError, match=r"expected 'package\.module:name'"):
        Function(function=name)
