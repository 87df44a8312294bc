import numpy as np
import pytest

from polytask.data.sources.columns import fit, from_array, from_values, object_array
from polytask.data.sources.kinds import Expect, expectation, kind_of
from polytask.data.table import Table
from polytask.errors import InputError


def place(row):
    return f"f, line {row + 1}"


def build(values, expect=None):
    return from_values(values, "a", expect=expect, place=place)


@pytest.mark.parametrize(
    ("values", "expected", "dtype"),
    [
        ([1, 2], [1, 2], np.int64),
        ([True, False], [1, 0], np.int64),
        ([1, None], [1, np.nan], np.float64),
        ([True, None], [1, np.nan], np.float64),
        ([1, 2.5], [1, 2.5], np.float64),
        ([None, None], [np.nan, np.nan], np.float64),
        (["a", None], ["a", None], object),
        (["a", float("nan")], ["a", None], object),
    ],
)
def test_values(values, expected, dtype):
    column = build(values)
    assert column.dtype == dtype
    np.testing.assert_array_equal(column, np.array(expected, dtype=dtype))


@pytest.mark.parametrize(
    "values", [[["a"], ["b"]], [[], ["a", "b"], None], [[1, 2], [3, 4]], [[], []], [[], [1.5]]]
)
def test_lists_stay_lists(values):
    column = build(values)
    assert column.shape == (len(values),)
    assert list(column) == values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", 1], r"line 2, column 'a': expected text \(as in f, line 1\), got 1"),
        ([1, "a"], r"line 2, column 'a': expected a number \(as in f, line 1\), got 'a'"),
        ([["a"], "a"], r"line 2, column 'a': expected a list of words"),
        ([["a"], [1]], r"line 2, column 'a': expected a list of words"),
        ([1, []], r"line 2, column 'a': expected a number"),
        ([{}], r"line 1, column 'a': expected a number, text, or a list"),
        ([["a", 1]], r"line 1, column 'a': expected a number, text, or a list"),
        ([1, [[1]]], r"line 2, column 'a': expected a number, text, or a list"),
        ([2**63], r"line 1, column 'a': 9223372036854775808 does not fit in 64 bits"),
    ],
)
def test_values_that_do_not_fit(values, message):
    with pytest.raises(InputError, match=message):
        build(values)


def test_expected_kind_wins_over_the_first_value():
    with pytest.raises(InputError, match=r"line 1, column 'a': expected text \(as in t\), got 1"):
        build([1, "a"], Expect("text", "as in t"))


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([1, 2], np.uint8), np.int64),
        (np.array([True]), np.int64),
        (np.array([1], np.float32), np.float64),
        (np.array(["a"]), object),
        (np.zeros((2, 3, 3), np.uint8), np.uint8),
        (np.zeros((2, 3), bool), np.uint8),
        (np.zeros((2, 3), np.float32), np.float32),
    ],
)
def test_arrays(array, dtype):
    assert from_array(array, "a", origin="f").dtype == dtype


@pytest.mark.parametrize(
    "array", [np.array(1), np.array([1j]), np.array(["2020"], "M8[D]"), np.array([2**63], "u8")]
)
def test_arrays_that_no_table_holds(array):
    with pytest.raises(InputError, match="f, column 'a'"):
        from_array(array, "a", origin="f")


def like(column):
    return Table({"a": column}, "train")


TEXT, WORDS = object_array(["a", None]), object_array([["a"], None])
NUMBERS, IMAGES = np.array([1, 2]), np.zeros((2, 4, 4, 1), np.uint8)


@pytest.mark.parametrize("column", [TEXT, WORDS, NUMBERS, IMAGES])
@pytest.mark.parametrize("known", [TEXT, WORDS, NUMBERS, IMAGES])
def test_a_column_fits_its_own_kind_only(column, known):
    if column is known:
        assert fit(column, "a", like=like(known), place=place) is column
    else:
        with pytest.raises(InputError, match=r"line 1, column 'a': expected .* \(as in train\)"):
            fit(column, "a", like=like(known), place=place)


def test_floats_stay_floats():
    assert fit(NUMBERS, "a", like=like(np.array([0.5])), place=place).dtype == np.float64


def test_other_shape():
    with pytest.raises(InputError, match=r"shape \(4, 4, 1\).*got \(5, 4, 1\)"):
        fit(np.zeros((2, 5, 4, 1), np.uint8), "a", like=like(IMAGES), place=place)


def test_all_missing_takes_the_known_kind():
    missing = np.array([np.nan, np.nan])
    assert list(fit(missing, "a", like=like(TEXT), place=place)) == [None, None]
    assert fit(object_array([None]), "a", like=like(NUMBERS), place=place).dtype == np.float64


def test_nothing_is_expected_of_a_column_that_is_unknown_or_missing():
    assert expectation(None, "a") is None
    assert expectation(like(NUMBERS), "b") is None
    assert expectation(like(np.array([np.nan])), "a") is None
    assert kind_of(object_array([None, [1]])) == "list of numbers"
