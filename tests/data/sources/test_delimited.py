import csv

import pytest

from polytask.data.sources.delimited import Delimited, explain, line_numbers, split_header
from polytask.errors import InputError


def test_header_is_taken_away():
    body = split_header(Delimited("\n\na,b\n1,2\n", "f", ",", '"'), None, header=True)
    assert (body.names, body.text, body.first_line) == (("a", "b"), "1,2\n", 4)


def test_unknown_cause_is_told_in_one_line():
    body = Delimited("1,2\n", "f", ",", '"', ("a", "b"))
    assert str(explain(body, ValueError("something\nlong"))) == "f: something"


def test_rows_that_cannot_be_matched_with_lines():
    body = Delimited("1,2\n3,4\n", "f", ",", '"', ("a", "b"))
    with pytest.raises(InputError, match="quotes"):
        line_numbers(body, body.text.encode(), rows=1)


def test_limit_of_the_standard_library_is_restored_after_an_error():
    before = csv.field_size_limit()
    body = Delimited('1,"2', "f", ",", '"', ("a", "b"))
    with pytest.raises(InputError):
        line_numbers(body, body.text.encode(), rows=1)
    assert csv.field_size_limit() == before
