from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.data.made import table

from polytask.data import INPUTS, Table
from polytask.data.inputs import Features
from polytask.errors import InputError

NAN = float("nan")


def numeric(source: Features, of: Table) -> torch.Tensor:
    return source.encode(of)["numeric"].take(torch.arange(len(of)))


def test_numbers_are_standardised_on_training() -> None:
    source = Features(numeric=["x", "y"]).fit(table(x=[1.0, 3.0], y=[5, 5]))
    assert source.mean == [2.0, 5.0]
    assert source.std == [1.0, 1.0]
    assert numeric(source, table(x=[4.0], y=[5])).tolist() == [[2.0, 0.0]]
    assert source.shapes() == {"numeric": 2, "categorical": []}


def test_a_constant_column_stays_small() -> None:
    source = Features(numeric=["x"]).fit(table(x=[0.1] * 7))
    assert source.std == [1.0]
    assert numeric(source, table(x=[0.1, 0.2]))[1].item() == pytest.approx(0.1)


def test_raw_numbers_on_request() -> None:
    source = Features(numeric=["x"], standardise=False, missing="mean").fit(table(x=[1.0, 3.0]))
    assert numeric(source, table(x=[5.0, NAN])).tolist() == [[5.0], [2.0]]


def test_a_missing_number_names_line_and_column() -> None:
    source = Features(numeric=["x", "y"]).fit(table(x=[1.0, 2.0], y=[1.0, 2.0]))
    message = r"a\.csv, line 2: column 'y' is missing \(1 such rows in all\); set missing: mean"
    with pytest.raises(InputError, match=message):
        source.encode(table(x=[1.0, 2.0], y=[1.0, NAN]))


def test_an_infinite_number_is_refused_in_any_case() -> None:
    for missing in ("error", "mean"):
        with pytest.raises(InputError, match=r"line 2: column 'x' is inf \(1 such rows in all\)$"):
            Features(numeric=["x"], missing=missing).fit(table(x=[1.0, float("inf")]))


def test_missing_numbers_become_the_training_mean() -> None:
    source = Features(numeric=["x"], missing="mean").fit(table(x=[1.0, NAN, 3.0]))
    assert numeric(source, table(x=[NAN, 3.0])).tolist() == [[0.0], [1.0]]
    assert numeric(source, table(x=[None, 3.0])).tolist() == [[0.0], [1.0]]
    with pytest.raises(InputError, match=r"a\.csv: column 'x' has no number"):
        Features(numeric=["x"], missing="mean").fit(table(x=[NAN, NAN]))


def test_text_is_no_number() -> None:
    source = Features(numeric=["x"])
    with pytest.raises(InputError, match=r"line 2: column 'x' must be a number, got 'one'"):
        source.fit(table(x=[1.0, "one"]))
    with pytest.raises(InputError, match=r"line 1: column 'x' must be a number"):
        source.fit(table(x=[["a"], ["b"]]))


def test_vectors_of_one_length() -> None:
    source = Features(numeric=["v", "x"]).fit(table(v=[[1.0, 2.0], [3.0, 6.0]], x=[0, 2]))
    assert numeric(source, table(v=[[3.0, 2.0]], x=[1])).tolist() == [[1.0, -1.0, 0.0]]
    with pytest.raises(InputError, match=r"line 2: column 'v' has 1 numbers, elsewhere 2"):
        source.fit(table(v=[[1.0, 2.0], [3.0]], x=[0, 2]))
    with pytest.raises(InputError, match="hold 4 numbers, in training they held 3"):
        source.encode(table(v=[[1.0, 2.0, 3.0]], x=[0]))


def test_unknown_and_missing_categories() -> None:
    source = Features(categorical=["c", "n"]).fit(table(c=["b", "a", None], n=[1, 2, 1]))
    assert source.categories == [["", "a", "b"], ["1", "2"]]
    found = source.encode(table(c=["a", "z", None], n=[2.0, 3.0, NAN]))["categorical"]
    assert found.take(torch.arange(3)).tolist() == [[2, 2], [0, 0], [1, 0]]
    assert source.shapes() == {"numeric": 0, "categorical": [4, 3]}


def test_columns_must_be_there() -> None:
    with pytest.raises(InputError, match="at least one"):
        Features()
    with pytest.raises(InputError, match="did you mean 'price'"):
        Features(numeric=["prize"]).fit(table(price=[1]))


def test_examples_of_a_user() -> None:
    source = Features(numeric=["x"], categorical=["c"]).fit(table(x=[1.0, 3.0], c=["a", "b"]))
    made = source.table([{"x": 3, "c": "b"}, {"x": 1.0, "c": "?"}])
    fields = source.encode(made)
    assert fields["numeric"].take(torch.arange(2)).tolist() == [[1.0], [-1.0]]
    assert fields["categorical"].take(torch.arange(2)).tolist() == [[2], [0]]
    with pytest.raises(InputError, match=r"example 2: lacks \['c'\]"):
        source.table([{"x": 3, "c": "b"}, {"x": 1.0}])
    with pytest.raises(InputError, match="example 1: give a mapping"):
        source.table([3])
    with pytest.raises(InputError, match="at least one"):
        source.table([])


def test_a_fitted_input_survives_the_recipe() -> None:
    source = Features(numeric=["x"], categorical=["c"]).fit(table(x=[1.0, 3.0], c=["a", "b"]))
    again = INPUTS.build(INPUTS.spec(source))
    data = table(x=[2.5, 1.0], c=["b", "z"])
    assert torch.equal(numeric(source, data), numeric(again, data))  # type: ignore[arg-type]
    assert np.array_equal(again.shapes()["categorical"], [3])
