import numpy as np
import pytest
from tests.data.made import table

from polytask.data import Table
from polytask.errors import InputError


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"a\.csv: unknown column 'lable'; did you mean 'label'"):
        table(label=[1, 2]).column("lable")


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(InputError, match="differ in length"):
        table(a=[1, 2], b=[1])


def test_line_numbers_must_match_the_rows() -> None:
    with pytest.raises(InputError, match="1 line numbers for 2 rows"):
        Table({"a": np.arange(2)}, "a.csv", np.array([7]))


def test_rows_keep_their_lines_and_files() -> None:
    first = Table({"a": np.arange(2)}, "a.csv", np.array([2, 4]))
    second = Table({"a": np.arange(2)}, "b.csv", np.array([2, 3]))
    both = Table.concatenate([first, second]).take(np.array([3, 1]))
    assert both.origin == "a.csv, b.csv"
    assert [both.place(0), both.place(1)] == ["b.csv, line 3", "a.csv, line 4"]
    assert both.with_columns({"c": np.zeros(2)}).place(0) == "b.csv, line 3"


def test_only_tables_that_are_alike_are_put_together() -> None:
    with pytest.raises(InputError, match=r"columns \['a', 'b'\] are not in both"):
        Table.concatenate([table(a=[1]), table(b=[1])])
    one, other = (Table({"x": np.zeros((1, side, side))}, f"{side}.npz") for side in (2, 3))
    with pytest.raises(InputError, match=r"3\.npz: column 'x' holds values of shape \(3, 3\)"):
        Table.concatenate([one, other])
    with pytest.raises(InputError, match="name at least one"):
        Table.concatenate([])
