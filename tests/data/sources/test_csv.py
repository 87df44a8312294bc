import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.data.sources import SOURCES
from polytask.data.sources.csv import CSV
from polytask.data.table import Table
from polytask.errors import InputError


@pytest.fixture
def read(tmp_path):
    def inner(content, *, like=None, name="f.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CSV(**options).read(path, like=like)

    return inner


def values(table):
    return {name: column.tolist() for name, column in table.columns.items()}


def test_types_and_lines(read):
    table = read("a,b,c,d\n1,0.5,x,\n2,,,\n")
    assert values(table)["a"] == [1, 2]
    assert table.columns["a"].dtype == np.int64
    np.testing.assert_array_equal(table.columns["b"], [0.5, np.nan])
    assert values(table)["c"] == ["x", None]
    assert np.isnan(table.columns["d"]).all()
    assert table.lines.tolist() == [2, 3]


def test_gzip_byte_order_mark_and_windows_lines(read):
    table = read(gzip.compress(b"\xef\xbb\xbfa,b\r\n1,x\r\n\r\n2,y\r\n"), name="f.csv.gz")
    assert values(table) == {"a": [1, 2], "b": ["x", "y"]}
    assert table.lines.tolist() == [2, 4]


def test_old_macintosh_lines(read):
    table = read("a,b\r1,x\r2,y\r")
    assert values(table) == {"a": [1, 2], "b": ["x", "y"]}
    assert table.lines.tolist() == [2, 3]


def test_quoted_cells_span_lines(read):
    table = read('\na,"b\nc"\n1,"x\n\ny"\n\n2,"say ""no"""\n3,5" pipe\n')
    assert values(table) == {"a": [1, 2, 3], "b\nc": ["x\n\ny", 'say "no"', '5" pipe']}
    assert table.lines.tolist() == [4, 8, 9]


def test_delimiter_quote_and_encoding(read):
    table = read("a;b\n'x;y';é\n".encode("latin-1"), delimiter=";", quote="'", encoding="latin-1")
    assert values(table) == {"a": ["x;y"], "b": ["é"]}


def test_quotes_that_mean_nothing(read):
    assert values(read('a,b\n"x,y"\n', quoting=False)) == {"a": ['"x'], "b": ['y"']}


def test_names(read):
    assert values(read("1,x\n", names=("a", "b"))) == {"a": [1], "b": ["x"]}
    assert values(read("p,q\n1,x\n", names=("a", "b"), header=True)) == {"a": [1], "b": ["x"]}


def test_column_without_a_name_is_called_by_its_position(read):
    assert list(read(",a,\n0,1,2\n").columns) == ["column1", "a", "column3"]


def test_missing_is_opt_in(read):
    content = "a,b\nNA,x\n1,NA\n"
    with pytest.warns(UserWarning, match=r"line 2, column 'a': text only because of 'NA'"):
        assert values(read(content)) == {"a": ["NA", "1"], "b": ["x", "NA"]}
    table = read(content, missing=("", "NA"))
    np.testing.assert_array_equal(table.columns["a"], [np.nan, 1])
    assert values(table)["b"] == ["x", None]


def test_text_option_keeps_leading_zeros(read):
    assert values(read("zip\n02134\n", text=("zip",))) == {"zip": ["02134"]}
    assert values(read("zip\n02134\n")) == {"zip": [2134]}


def test_trim(read):
    content = "a, b\n x , 1\n ? , 2\n"
    assert values(read(content)) == {"a": [" x ", " ? "], " b": [1, 2]}
    trimmed = read(content, trim=True, missing=("?",))
    assert values(trimmed) == {"a": ["x", None], "b": [1, 2]}


def test_types_follow_the_training_file(read):
    train = read("a,b,c\nx,1,0.5\n")
    test = read("a,b,c,d\n7,,1\n".replace(",d", ""), like=train)
    assert values(test)["a"] == ["7"]
    assert [test.columns[name].dtype for name in "bc"] == [np.float64, np.float64]
    with pytest.raises(InputError, match=r"line 3, column 'b': expected a number \(as in .*'no'"):
        read("a,b,c\nx,1,1\nx,no,1\n", like=train)


def test_columns_that_only_one_file_has_are_fine(read):
    like = Table({"label": np.array([1])}, "train.csv")
    assert values(read("text\nx\n", like=like)) == {"text": ["x"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n\n3\n", r"line 4: expected 2 cells .*got 1: there is nothing for column 'b'"),
        ("a,b\n1,2,x\n", r"line 2: expected 2 cells .*got 3, from 'x' on too many"),
        ('a,b\n1,"x\ny"\n3\n', r"line 4: expected 2 cells"),
        ("a,b,a\n1,2,3\n", r"line 1, column 'a': expected one column of that name"),
        (b"a,b\n1,x\n2,\xe9\n", r"line 3: byte 0xe9 at position 3"),
        ("a,b\n", "no rows below the header"),
        ("a,b\n\n\n", "no rows below the header"),
        ('a,b\n1,x\n2,"y\n3,z\n', r"line 3: the quotes \" do not pair; .*quoting: false"),
        ('a,b\n1,"x\n', r"line 2: the quotes"),
        ('a,b\n1,"x"y"\n2,z\n', r"line 2: the quotes"),
        ("", "empty"),
    ],
)
def test_bad_content(read, content, message):
    with pytest.raises(InputError, match=message) as error:
        read(content)
    assert "f.csv" in str(error.value)


def test_names_that_do_not_fit_the_file(read):
    with pytest.raises(InputError, match=r"line 1: expected 3 cells"):
        read("1,2\n", names=("a", "b", "c"))


def test_text_column_that_is_not_there(read):
    with pytest.raises(InputError, match=r"unknown column 'zap'; did you mean 'zip'"):
        read("zip\n1\n", text=("zap",))


def test_cell_longer_than_the_limit_of_the_standard_library(read):
    before = csv.field_size_limit()
    long = "x\n" * 100_000
    assert values(read(f'a,b\n1,"{long}"\n2,y\n'))["b"] == [long, "y"]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ""}, "delimiter: expected one character"),
        ({"delimiter": "ab"}, "delimiter: expected one character"),
        ({"quote": "\n"}, "quote: expected one character"),
        ({"delimiter": '"'}, "must differ"),
        ({"delimiter": "§"}, "ASCII"),
        ({"encoding": "utf-9"}, "unknown encoding"),
        ({"names": ("a", "a")}, "names: column 'a' occurs twice"),
        ({"names": ()}, "names: expected a list"),
        ({"header": False}, "names: expected a list"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        CSV(**options)


def test_from_a_recipe():
    assert SOURCES.build({"type": "csv", "names": ["a"]}) == CSV(names=("a",))


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=5)


@settings(max_examples=40)
@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=8))
def test_reads_what_the_standard_library_writes(tmp_path_factory, rows):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["a", "b"], *rows])
    path = tmp_path_factory.mktemp("csv") / "f.csv"
    path.write_bytes(text.getvalue().encode())
    table = CSV(text=("a", "b"), missing=()).read(path)
    assert [list(row) for row in zip(*values(table).values(), strict=True)] == rows
    starts = [
        2 + sum(cell.count("\n") for row in rows[:k] for cell in row) + k for k in range(len(rows))
    ]
    assert table.lines.tolist() == starts


def test_tox21(shared_data):
    table = CSV().read(shared_data / "molecules" / "tox21.csv.gz")
    assert len(table) == 8014
    assert table.columns["smiles"][0] == "CCOc1ccc2nc(S(N)(=O)=O)sc2c1"
    assay = table.columns["NR-Aromatase"]
    assert assay.dtype == np.float64
    assert np.isnan(assay[0])
    assert set(np.unique(assay[~np.isnan(assay)])) == {0, 1}


def test_adult(shared_data):
    names = (
        *("age", "work", "weight", "education", "years", "marital", "job", "relation"),
        *("race", "sex", "gain", "loss", "hours", "country", "income"),
    )
    table = CSV(header=True, names=names, trim=True, missing=("?",)).read(
        shared_data / "tabular" / "adult.data.gz"
    )
    assert len(table) == 32561
    assert table.columns["age"].dtype == np.int64
    assert set(table.columns["income"]) == {"<=50K", ">50K"}
    assert sum(job is None for job in table.columns["job"]) == 1843
