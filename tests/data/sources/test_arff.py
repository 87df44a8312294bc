import gzip

import numpy as np
import pytest

from polytask.data.sources.arff import ARFF
from polytask.errors import InputError

HEADER = """\
% a comment
@RELATION 'some thing'

@attribute width NUMERIC
@ATTRIBUTE 'the \\'kind' {round, 'not round', "a,b"}
@attribute "'odd'l1" {0,1}
@attribute note string
@attribute count integer
@data
"""


@pytest.fixture
def read(tmp_path):
    def inner(rows, *, header=HEADER, like=None):
        path = tmp_path / "f.arff"
        path.write_text(header + rows)
        return ARFF().read(path, like=like)

    return inner


def test_dense_rows(read):
    table = read("1.5, round, 0, 'it\\'s', 3\n% more\n\n?,'a,b',1,?,4\n")
    got = {name: column.tolist() for name, column in table.columns.items()}
    np.testing.assert_array_equal(got["width"], [1.5, np.nan])
    assert got["the 'kind"] == ["round", "a,b"]
    assert got["'odd'l1"] == [0, 1]
    assert got["note"] == ["it's", None]
    assert got["count"] == [3, 4]
    assert table.columns["count"].dtype == np.int64
    assert table.lines.tolist() == [10, 13]


def test_sparse_rows(read):
    table = read("{0 1.5, 1 'not round', 3 x}\n{ }\n{4 ?}\n")
    np.testing.assert_array_equal(table.columns["width"], [1.5, 0, 0])
    assert table.columns["the 'kind"].tolist() == ["not round", "round", "round"]
    np.testing.assert_array_equal(table.columns["count"], [0, 0, np.nan])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,round,0,x\n", "line 10: expected 5 values .* got 4"),
        ("1,round,0,x,1,1\n", "line 10: expected 5 values .* got 6"),
        (
            "1,round,0,x,1\nx,round,0,x,1\n",
            r"line 11, column 'width': expected a number \(as declared in line 4\), got 'x'",
        ),
        (
            "1,square,0,x,1\n",
            r"line 10, column \"the 'kind\": expected one of \{round.*got 'square'",
        ),
        ("1,round,2,x,1\n", "line 10, .*expected one of"),
        ("1,'round,0,x,1\n", "line 10: a quote is not closed"),
        ("{9 1}\n", "line 10: expected 'position value' with a position below 5, got '9 1'"),
        ("{x 1}\n", "line 10: expected 'position value'"),
        ("", "no rows"),
    ],
)
def test_bad_rows(read, rows, message):
    with pytest.raises(InputError, match=message):
        read(rows)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("@attribute a numeric\n%", "there is no @data"),
        (
            "@attribute a numeric\n@attribute a numeric\n@data\n",
            "line 2, column 'a': is declared twice",
        ),
        ("@attribute a something\n@data\n", "line 1, column 'a': unknown type 'something'"),
        ("@attribute a\n@data\n", "line 1: expected '@attribute name type'"),
        ("a,b\n", "line 1: expected @relation, @attribute or @data, got 'a,b'"),
    ],
)
def test_bad_headers(read, header, message):
    with pytest.raises(InputError, match=message):
        read("1\n", header=header)


def test_training_file_has_another_kind(read):
    train = read("a\n", header="@attribute a string\n@data\n")
    with pytest.raises(InputError, match="line 3, column 'a': expected text"):
        read("1\n", header="@attribute a numeric\n@data\n", like=train)


def test_truncated_gzip(tmp_path):
    path = tmp_path / "f.arff.gz"
    path.write_bytes(gzip.compress(HEADER.encode())[:40])
    with pytest.raises(InputError, match="cut short"):
        ARFF().read(path)


SIZES = {
    "andro": (49, 36),
    "atp1d": (337, 417),
    "osales": (639, 413),
    "sf1": (323, 13),
    "wq": (1060, 30),
}


@pytest.mark.parametrize("name", SIZES)
def test_mulan(shared_data, name):
    table = ARFF().read(shared_data / "tabular" / "mulan" / f"{name}.arff.gz")
    assert (len(table), len(table.columns)) == SIZES[name]


def test_agrees_with_scipy(shared_data):
    from scipy.io import arff

    path = shared_data / "tabular" / "mulan-multilabel" / "emotions.arff.gz"
    with gzip.open(path, "rt") as file:
        theirs, _ = arff.loadarff(file)
    ours = ARFF().read(path)
    for name in theirs.dtype.names:
        np.testing.assert_array_equal(ours.columns[name], theirs[name].astype(float))
