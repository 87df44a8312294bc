import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.data.sources.cells import BLOCK, parse_strings
from polytask.data.sources.kinds import Expect, at_lines
from polytask.errors import InputError

NUMBER = Expect("number", "as in train.csv")


def parse(cells, expect=None):
    return parse_strings(cells, "a", expect=expect, place=lambda row: f"f, line {row + 2}")


def check(column, values, dtype):
    assert column.dtype == dtype
    np.testing.assert_array_equal(column, np.array(values, dtype=dtype))


def test_integers():
    check(parse(["1", "-2", " 3 ", "007"]), [1, -2, 3, 7], np.int64)


def test_floats_as_written():
    check(parse(["1.0", "2.0"]), [1, 2], np.float64)
    check(parse(["1", "1e3", "+5", ".5"]), [1, 1000, 5, 0.5], np.float64)


def test_missing_integers_are_floats():
    check(parse(["1", None]), [1, np.nan], np.float64)
    check(parse(["1", "nan"]), [1, np.nan], np.float64)


def test_nothing_but_missing():
    check(parse([None, None]), [np.nan, np.nan], np.float64)


@pytest.mark.parametrize("cells", [["a", "1"], ["0x1F", "2"], ["1_0", "1"], ["1,5", "2"]])
def test_text(cells):
    check(parse(cells), cells, object)


def test_cells_of_several_blocks():
    numbers = [str(value) for value in range(2 * BLOCK + 1)]
    check(parse(numbers), range(2 * BLOCK + 1), np.int64)
    check(parse([*numbers, "0.5"]), [*range(2 * BLOCK + 1), 0.5], np.float64)
    check(parse([*numbers, "a"]), [*numbers, "a"], object)
    check(parse([*[None] * BLOCK, "a"]), [*[None] * BLOCK, "a"], object)


def test_text_keeps_its_spaces():
    check(parse([" a", None]), [" a", None], object)


@pytest.mark.parametrize("cells", [["9" * 20, "1"], [str(2**53 + 1), None], ["9" * 19, None]])
def test_identifiers_that_a_float_would_round_are_text(cells):
    check(parse(cells), cells, object)


def test_long_decimal_among_floats_is_a_number():
    check(parse(["9" * 20, "1.5"]), [1e20, 1.5], np.float64)


def test_largest_integers():
    check(parse([str(2**63 - 1), str(-(2**63))]), [2**63 - 1, -(2**63)], np.int64)


def test_expected_text_stays_as_written():
    check(parse(["007", "1.0"], Expect("text", "option text")), ["007", "1.0"], object)


def test_expected_floats():
    check(parse(["1", "2"], Expect("number", "as in f", as_float=True)), [1, 2], np.float64)


@given(st.integers(1, 60), st.data())
def test_first_cell_that_is_no_number_is_named(rows, data):
    bad = data.draw(st.sets(st.integers(0, rows - 1), min_size=1))
    cells = ["x" if row in bad else "1.5" for row in range(rows)]
    message = (
        rf"^f, line {min(bad) + 2}, column 'a': expected a number \(as in train\.csv\), got 'x'$"
    )
    with pytest.raises(InputError, match=message):
        parse(cells, NUMBER)


def test_mark_of_a_missing_number_is_warned_of():
    with pytest.warns(UserWarning, match=r"f, line 3, column 'a'.*because of '\?'"):
        column = parse(["1", "?", "2", "?"])
    check(column, ["1", "?", "2", "?"], object)


def test_marks_alone_or_among_text_are_text():
    check(parse(["?", "NA"]), ["?", "NA"], object)
    check(parse(["?", "b", "1"]), ["?", "b", "1"], object)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_survive(values):
    check(parse([str(value) for value in values]), values, np.int64)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_floats_survive(values):
    check(parse([repr(value) for value in values]), values, np.float64)


def test_place_of_a_line():
    assert at_lines("f", [4, 9])(1) == "f, line 9"
