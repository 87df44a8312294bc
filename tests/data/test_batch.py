from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.made import contents, ragged_split, split, targets

from polytask.data import EncodedSplit, collate
from polytask.fields import Dense, Ragged, Targets
from polytask.tasks import Regression

CELL = st.one_of(st.none(), st.floats(-9, 9))


def take(source: EncodedSplit, *rows: int):
    return collate([(source, torch.tensor(rows))])


def test_a_task_on_most_rows_is_carried_by_all() -> None:
    batch = take(split("d", 3, {"a": targets([1, None, 3])}), 2, 1, 0)
    assert batch.rows == {"a": None}
    assert batch.targets["a"].tolist() == [3, 0, 1]
    assert batch.masks["a"].tolist() == [True, False, True]
    assert batch.fields["numeric"].tolist() == [[2], [1], [0]]
    assert (len(batch), batch.tasks, batch.ids.tolist()) == (3, ("a",), [2, 1, 0])


def test_a_rare_task_is_carried_by_its_rows_alone() -> None:
    source = split("d", 4, {"a": targets([1, 2, 3, 4]), "b": targets([None, 7, None, None])})
    batch = take(source, 3, 1, 0)
    assert batch.rows["b"] is not None
    assert batch.rows["b"].tolist() == [1]
    assert (batch.targets["b"].tolist(), batch.masks["b"].tolist()) == ([7], [True])
    assert take(source, 0, 2).tasks == ("a",)


def test_packed_targets_are_those_of_the_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    made = {}
    for number in range(20):
        mask = torch.rand(50, generator=generator) < 0.2
        made[f"t{number}"] = Targets(Dense(torch.rand(50, generator=generator) * mask), Dense(mask))
    source = split("d", 50, made)
    weights = {name: torch.rand(50, generator=generator) for name in made}
    source = EncodedSplit("d", source.fields, made, weights, source.loss_weights)
    assert source.index.packed is not None
    rows = torch.tensor([3, 17, 4, 44, 9, 3])
    batch = collate([(source, rows)])
    for name, target in made.items():
        mask = target.mask.take(rows)
        assert (name in batch.tasks) == bool(mask.any())
        if name in batch.tasks:
            chosen = batch.rows[name]
            picked = rows if chosen is None else rows[chosen]
            assert chosen is None or chosen.tolist() == mask.nonzero().squeeze(1).tolist()
            assert torch.equal(batch.targets[name], target.values.take(picked))
            assert torch.equal(batch.masks[name], target.mask.take(picked))
            assert torch.equal(batch.weights[name], weights[name][picked])


@settings(deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12), st.floats(-9, 9), st.data())
def test_a_masked_target_changes_nothing(cells, other: float, data: st.DataObject) -> None:
    output = Regression(mean=0.0, std=1.0)
    columns = list(zip(*cells, strict=True))
    clean = {name: targets(column) for name, column in zip("ab", columns, strict=True)}
    dirty = {
        name: Targets(Dense(torch.where(t.mask.values, t.values.values, other)), t.mask)
        for name, t in clean.items()
    }
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(cells) - 1), min_size=1)))
    prediction = torch.linspace(-1, 1, len(rows))
    losses = []
    for found in (clean, dirty):
        batch = collate([(split("d", len(cells), found), rows)])
        total = {}
        for name in batch.tasks:
            chosen = batch.rows[name]
            outputs = (prediction if chosen is None else prediction[chosen])[:, None]
            weights = output.weights(batch.targets[name], batch.masks[name]) * batch.weights[name]
            total[name] = float((output.losses(outputs, batch.targets[name]) * weights).sum())
        losses.append(total)
    assert losses[0] == losses[1]
    carried = {name for name, t in clean.items() if t.mask.take(rows).any()}
    assert set(losses[0]) == carried


def test_data_sets_are_joined_below_each_other() -> None:
    short, long = ragged_split("short", [1, 2], fill=9), ragged_split("long", [3, 1], fill=9)
    batch = collate([(short, torch.tensor([1, 0])), (long, torch.tensor([0]))])
    assert batch.fields["input_ids"].tolist() == [[2, 2, 9], [1, 9, 9], [1, 1, 1]]
    assert batch.fields["input_ids.length"].tolist() == [2, 1, 3]
    assert {name: rows.tolist() for name, rows in batch.rows.items() if rows is not None} == {
        "short": [0, 1], "long": [2],
    }  # fmt: skip
    assert batch.ids.tolist() == [1, 0, 0]
    assert batch.targets["long"].tolist() == [0]


def test_word_targets_are_padded() -> None:
    values = Ragged.from_rows([torch.tensor([1, 2]), torch.tensor([3])])
    mask = Ragged.from_rows([torch.tensor([True, False]), torch.tensor([True])])
    batch = take(split("d", 2, {"tags": Targets(values, mask)}), 1, 0)
    assert batch.targets["tags"].tolist() == [[3, 0], [1, 2]]
    assert batch.masks["tags"].tolist() == [[True, False], [True, False]]


def test_a_batch_can_be_mapped() -> None:
    batch = take(split("d", 2), 0, 1)
    assert batch.to(torch.device("cpu")) is batch
    assert contents(batch.map(torch.clone)) == contents(batch)


@pytest.mark.parametrize("rows", [[0], [1, 1, 0]])
def test_the_index_adds_up(rows: list[int]) -> None:
    source = split("d", 2, {"a": targets([1, None]), "b": targets([None, None])})
    assert source.index.totals(torch.tensor(rows)) == {"a": float(np.sum(np.array(rows) == 0))}


def test_a_split_without_tasks() -> None:
    batch = take(EncodedSplit("d", split("d", 2).fields, {}, {}, {}), 0, 1)
    assert batch.tasks == ()
