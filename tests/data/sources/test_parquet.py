import datetime
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from polytask.data.sources.parquet import Parquet
from polytask.errors import InputError


@pytest.fixture
def read(tmp_path):
    def inner(data, *, like=None, **options):
        path = tmp_path / "f.parquet"
        pyarrow.parquet.write_table(pa.table(data), path)
        return Parquet(**options).read(path, like=like)

    return inner


def test_values(read):
    table = read(
        {
            "i": pa.array([1, 2], pa.int8()),
            "n": pa.array([1, None], pa.int64()),
            "f": pa.array([1, 2], pa.float32()),
            "b": [True, False],
            "t": ["x", None],
            "c": pa.array(["x", "y"]).dictionary_encode(),
            "w": [["a"], None],
            "v": [[1, 2], [3]],
            "e": pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2)),
            "z": pa.nulls(2),
            "d": [datetime.date(2020, 1, 2), None],
            "m": [decimal.Decimal("1.5"), None],
        }
    )
    got = table.columns
    assert [got[name].dtype for name in "infb"] == [np.int64, np.float64, np.float64, np.int64]
    assert got["b"].tolist() == [1, 0]
    assert got["t"].tolist() == ["x", None]
    assert got["c"].tolist() == ["x", "y"]
    assert got["w"].tolist() == [["a"], None]
    assert got["v"].tolist() == [[1, 2], [3]]
    np.testing.assert_array_equal(got["e"], np.array([[1, 2], [3, 4]], np.float32))
    assert np.isnan(got["z"]).all()
    assert got["d"].tolist() == ["2020-01-02", None]
    np.testing.assert_array_equal(got["m"], [1.5, np.nan])


def test_columns_in_the_given_order(read):
    table = read({"a": [1], "b": [{"x": 1}], "c": ["y"]}, columns=("c", "a"))
    assert list(table.columns) == ["c", "a"]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"b": [{"x": 1}]}, {}, "column 'b': cannot use the type struct.*leave it out"),
        ({"label": [1]}, {"columns": ("lable",)}, "unknown column 'lable'; did you mean 'label'"),
        ({"a": pa.array([2**63], pa.uint64())}, {}, "column 'a'"),
        ({"a": pa.array([[1], None], pa.list_(pa.int8(), 1))}, {}, "column 'a': a vector"),
        ({"a": [["x", None]]}, {}, "row 1, column 'a'"),
        ({"a": pa.array([], pa.int8())}, {}, "no rows"),
    ],
)
def test_bad_columns(read, data, options, message):
    with pytest.raises(InputError, match=message):
        read(data, **options)


def test_types_follow_the_training_file(read):
    train = read({"a": [0.5], "b": ["x"]})
    assert read({"a": [1]}, like=train).columns["a"].dtype == np.float64
    with pytest.raises(InputError, match="row 1, column 'b': expected text"):
        read({"b": [1]}, like=train)


def test_truncated(tmp_path):
    path = tmp_path / "f.parquet"
    pyarrow.parquet.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"f\.parquet: not a Parquet file, or damaged"):
        Parquet().read(path)


def test_damaged_pages(tmp_path):
    path = tmp_path / "f.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [f"word {i}" for i in range(1000)]}), path)
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        Parquet().read(path)


def test_bad_options():
    with pytest.raises(InputError, match="columns: column 'a' occurs twice"):
        Parquet(columns=("a", "a"))


def test_text_that_is_not_utf_8(tmp_path):
    path = tmp_path / "f.parquet"
    pyarrow.parquet.write_table(pa.table({"a": ["word"] * 3}), path, compression="none")
    path.write_bytes(path.read_bytes().replace(b"word", b"w\xffrd"))
    with pytest.raises(InputError, match="damaged"):
        Parquet().read(path)
