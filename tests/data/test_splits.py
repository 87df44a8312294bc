from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.made import table

from polytask.data import Split, Table
from polytask.errors import InputError
from polytask.randomness import seeded

THREE = {"train": 0.7, "validation": 0.1, "test": 0.2}


def rows(split: Split, of: Table) -> dict[str, list[int]]:
    return {name: part.column("row").tolist() for name, part in split.apply(of).items()}


def test_fractions_are_exact_and_cover_every_row_once() -> None:
    found = rows(Split(fractions=THREE), table(row=list(range(1000))))
    assert {name: len(part) for name, part in found.items()} == {
        "train": 700, "validation": 100, "test": 200,
    }  # fmt: skip
    assert sorted(row for part in found.values() for row in part) == list(range(1000))
    assert all(part == sorted(part) for part in found.values())


def test_the_seed_decides() -> None:
    data = table(row=list(range(100)))
    first = rows(Split(fractions=THREE, seed=1), data)
    assert first == rows(Split(fractions=THREE, seed=1), data)
    assert first != rows(Split(fractions=THREE, seed=2), data)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(0, 99))
def test_every_stratum_gets_its_shares(sizes: list[int], seed: int) -> None:
    label = [stratum for stratum, size in enumerate(sizes) for _ in range(size)]
    split = Split(fractions=THREE, stratify="label", seed=seed)
    data = table(row=list(range(len(label))), label=label)
    try:
        parts = split.apply(data)
    except InputError:  # too few rows for three splits
        assert len(label) < 12
        return
    for name, share in THREE.items():
        part = parts[name].column("label")
        counts = Counter(part.tolist())
        assert abs(len(part) - share * len(label)) < 2
        assert all(abs(counts[s] - share * size) <= 1 for s, size in enumerate(sizes))


def test_many_small_strata_do_not_empty_a_split() -> None:
    label = np.repeat(np.arange(200), 4).tolist()
    split = Split(fractions={"train": 0.8, "validation": 0.1, "test": 0.1}, stratify="label")
    found = rows(split, table(row=list(range(800)), label=label))
    assert [len(part) for part in found.values()] == [640, 80, 80]


SIZES = st.lists(st.integers(1, 30), min_size=3, max_size=12)


def grouped(sizes: list[int]) -> Table:
    """Rows of groups of these sizes."""
    groups = [f"g{group:02}" for group, size in enumerate(sizes) for _ in range(size)]
    return table(row=list(range(len(groups))), group=groups)


@settings(deadline=None, max_examples=50)
@given(SIZES, st.integers(0, 99))
def test_no_group_is_on_two_sides_and_no_split_is_empty(sizes: list[int], seed: int) -> None:
    data = grouped(sizes)
    split = Split(fractions=THREE, group="group", seed=seed)
    parts = split.apply(data)
    assert list(parts) == list(THREE)
    sides = [set(part.column("group").tolist()) for part in parts.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == len(sizes)
    again = split.apply(data)
    assert all(np.array_equal(parts[n].column("row"), again[n].column("row")) for n in THREE)


@settings(deadline=None, max_examples=50)
@given(SIZES, st.integers(0, 99))
def test_shares_of_groups_are_as_near_as_groups_allow(sizes: list[int], seed: int) -> None:
    """What a split has too much it got with one group; two others may share what it lacks."""
    parts = Split(fractions=THREE, group="group", seed=seed).apply(grouped(sizes))
    for name, share in THREE.items():
        too_many = len(parts[name]) - share * sum(sizes)
        assert -2 * max(sizes) <= too_many <= max(sizes)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 30), min_size=3, max_size=40), st.integers(0, 99))
def test_groups_are_dealt_in_random_order_unless_a_split_stays_empty(
    sizes: list[int], seed: int
) -> None:
    """Runs were trained with this assignment: it must not change."""
    behind = {name: share * sum(sizes) for name, share in THREE.items()}
    dealt: dict[str, str] = {}
    for group in seeded(seed, "split").permutation(len(sizes)).tolist():
        split = max(behind, key=lambda name: behind[name])
        dealt[f"g{group:02}"] = split
        behind[split] -= sizes[group]
    parts = Split(fractions=THREE, group="group", seed=seed).apply(grouped(sizes))
    found = {g: name for name, part in parts.items() for g in part.column("group").tolist()}
    if set(dealt.values()) == set(THREE):
        assert found == dealt


def test_three_groups_fill_three_splits_and_the_largest_trains() -> None:
    for seed in range(20):
        split = Split(fractions=THREE, group="group", seed=seed)
        parts = split.apply(grouped([10, 1000, 20]))
        assert {name: len(part) for name, part in parts.items()} == {
            "train": 1000, "test": 20, "validation": 10,
        }  # fmt: skip


def test_a_split_of_no_share_needs_no_group() -> None:
    split = Split(fractions={"train": 0.5, "validation": 0.0, "test": 0.5}, group="group")
    assert set(split.apply(grouped([3, 4]))) == {"train", "test"}


def test_fewer_groups_than_splits() -> None:
    message = r"a\.csv: column 'group' has 2 groups, but 3 splits \(train, validation, test\) need"
    with pytest.raises(InputError, match=message):
        Split(fractions=THREE, group="group").apply(grouped([5, 5]))


def test_a_column_tells_the_split() -> None:
    data = table(row=[0, 1, 2, 3], fold=[1.0, 2.0, 1.0, 3.0])
    found = rows(Split(column="fold", values={"train": 1, "test": 2, "validation": "3"}), data)
    assert found == {"train": [0, 2], "validation": [3], "test": [1]}


def test_a_value_of_no_split_names_the_line() -> None:
    data = table(fold=["train", "dev"])
    with pytest.raises(InputError, match=r"a\.csv, line 2: column 'fold' is 'dev', expected"):
        Split(column="fold").apply(data)


def test_a_split_without_rows_is_an_error() -> None:
    with pytest.raises(InputError, match="'validation' gets none of 3 rows"):
        Split(fractions=THREE).apply(table(row=[1, 2, 3]))
    with pytest.raises(InputError, match="'test' gets none of 1 rows"):
        Split(column="fold", values={"test": "t"}).apply(table(fold=["train"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either fractions or a column"),
        ({"fractions": {"train": 1.0}, "column": "fold"}, "either fractions or a column"),
        ({"fractions": {"train": 0.7, "test": 0.2}}, "add up to 0.9"),
        ({"fractions": {"train": 1.5, "test": -0.5}}, r"in \[0, 1\]"),
        ({"fractions": {"trian": 1.0}}, "did you mean 'train'"),
        ({"fractions": {"train": 1.0}, "group": "a", "stratify": "b"}, "exclude each other"),
        ({"fractions": {"train": 1.0}, "values": {"train": "a"}}, "values need a column"),
        ({"column": "fold", "group": "a"}, "need fractions"),
        ({"column": "fold", "values": {"train": "a", "test": "a"}}, "the same value"),
        ({"column": "fold", "values": {"train": "test"}}, "the same value"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Split(**options)  # type: ignore[arg-type]
