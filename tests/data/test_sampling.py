from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.data import BatchSize, RowSampler
from polytask.errors import InputError

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def sampler(lengths: list[int], size: BatchSize, seed: int = 0) -> RowSampler:
    rows = torch.arange(len(lengths)) * 10
    return RowSampler("d", rows, torch.tensor(lengths), size=size, seed=seed)


def epoch(source: RowSampler) -> list[list[int]]:
    batches = [source.next().tolist()]
    while source.position < len(source._bounds) - 1:
        batches.append(source.next().tolist())
    return batches


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 20), st.none() | st.integers(1, 90), st.booleans())
def test_an_epoch_holds_every_row_once(
    lengths: list[int], examples: int, tokens: int | None, group: bool
) -> None:
    size = BatchSize(examples=examples, tokens=tokens, group_by_length=group)
    source = sampler(lengths, size)
    for _ in range(2):
        batches = epoch(source)
        rows = sorted(row for batch in batches for row in batch)
        assert rows == [10 * index for index in range(len(lengths))]
        assert max(len(batch) for batch in batches) <= examples
        for batch in batches:
            padded = len(batch) * max(lengths[row // 10] for row in batch)
            assert tokens is None or len(batch) == 1 or padded <= tokens


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 50))
def test_batches_of_an_epoch_have_nearly_equal_sizes(rows: int, examples: int) -> None:
    sizes = [len(batch) for batch in epoch(sampler([1] * rows, BatchSize(examples=examples)))]
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-rows // examples)


def test_every_epoch_has_an_order_of_its_own() -> None:
    source = sampler([1] * 40, BatchSize(examples=4))
    first, second = epoch(source), epoch(source)
    assert first != second
    assert epoch(sampler([1] * 40, BatchSize(examples=4))) == first
    assert epoch(sampler([1] * 40, BatchSize(examples=4), seed=1)) != first


def test_groups_hold_rows_of_similar_length_in_random_order() -> None:
    lengths = [index % 20 + 1 for index in range(200)]
    batches = epoch(sampler(lengths, BatchSize(examples=10, group_by_length=True)))
    of_batch = [{lengths[row // 10] for row in batch} for batch in batches]
    assert all(len(found) == 1 for found in of_batch)
    assert of_batch != sorted(of_batch, key=min)


def test_a_state_of_other_data_is_refused() -> None:
    source = sampler([1] * 8, BatchSize(examples=4))
    source.load_state_dict({"epoch": 0, "position": 3})
    with pytest.raises(InputError, match=r"'d'.*batch 3 of 2"):
        source.next()


def test_bad_limits() -> None:
    with pytest.raises(InputError, match="examples must be at least 1"):
        BatchSize(examples=0)
    with pytest.raises(InputError, match="tokens must be at least 1"):
        BatchSize(tokens=0)
    with pytest.raises(InputError, match="no row"):
        sampler([], BatchSize())
