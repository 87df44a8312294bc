from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.fields import Dense, Ragged, Targets

ROWS = st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=8)


def ragged(rows: list[list[int]], fill: int) -> Ragged:
    return Ragged.from_rows([torch.tensor(row, dtype=torch.long) for row in rows], fill=fill)


def test_rows_are_padded_to_the_longest() -> None:
    field = ragged([[1, 2], [], [3, 4, 5], [6]], fill=9)
    assert field.take(torch.tensor([0, 3, 1])).tolist() == [[1, 2], [6, 9], [9, 9]]
    assert field.take(torch.tensor([1])).shape == (1, 0)
    assert field.take(torch.tensor([], dtype=torch.long)).shape == (0, 0)
    assert field.row(2).tolist() == [3, 4, 5]
    assert field.lengths.tolist() == [2, 0, 3, 1]


@settings(deadline=None)
@given(ROWS, st.data())
def test_taking_rows_is_padding_lists(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    longest = max((len(rows[index]) for index in chosen), default=0)
    expected = [rows[index] + [7] * (longest - len(rows[index])) for index in chosen]
    assert ragged(rows, fill=7).take(torch.tensor(chosen, dtype=torch.long)).tolist() == expected


@settings(deadline=None)
@given(ROWS)
def test_row_sums(rows: list[list[int]]) -> None:
    field = ragged(rows, fill=0)
    assert field.row_sums(field.values).tolist() == [sum(row) for row in rows]


def test_frames_are_padded_as_a_whole() -> None:
    field = Ragged.from_rows([torch.ones(1, 2), torch.ones(2, 2)])
    assert field.take(torch.tensor([0, 1])).tolist() == [[[1, 1], [0, 0]], [[1, 1], [1, 1]]]


def test_padding_does_not_change_what_is_stored() -> None:
    field = ragged([[1, 2, 3], [4]], fill=0)
    field.take(torch.tensor([0, 1]))
    assert field.values.tolist() == [1, 2, 3, 4]


def test_measured_rows() -> None:
    mask = torch.tensor([[True, False], [False, False]])
    assert Targets(Dense(mask.float()), Dense(mask)).measured.tolist() == [True, False]
    words = Ragged(torch.tensor([False, True, False]), torch.tensor([0, 2, 3, 3]))
    assert Targets(words, words).measured.tolist() == [True, False, False]
