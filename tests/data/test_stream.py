from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.made import drawn, ragged_split, split, stream, targets

from polytask.data import BatchSize, Stream, StreamOptions
from polytask.data.mixtures import (
    Fixed,
    Mixture,
    Phase,
    Proportional,
    RoundRobin,
    Schedule,
    Uniform,
)
from polytask.errors import InputError

SIZES = {"a": 3, "b": 10, "c": 25}
MIXTURES = st.sampled_from(
    [
        Proportional(),
        Uniform(),
        RoundRobin(),
        Schedule(phases=[Phase(until=5, weights={"a": 1}), Phase(weights={"b": 1, "c": 2})]),
    ]
)


@settings(deadline=None, max_examples=60)
@given(MIXTURES, st.integers(1, 3), st.integers(0, 40), st.integers(0, 9))
def test_a_restored_stream_goes_on_alike(
    mixture: Mixture, per_step: int, before: int, seed: int
) -> None:
    first = stream(SIZES, mixture, per_step=per_step, seed=seed)
    drawn(first, before)
    state = json.loads(json.dumps(first.state_dict()))
    second = stream(SIZES, mixture, per_step=per_step, seed=seed)
    drawn(second, 7)  # has been somewhere else
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert drawn(first, 20) == drawn(second, 20)


@settings(deadline=None, max_examples=30)
@given(MIXTURES, st.integers(1, 3), st.integers(0, 20), st.integers(1, 20))
def test_following_a_fork_is_drawing(
    mixture: Mixture, per_step: int, before: int, ahead: int
) -> None:
    first, second = (stream(SIZES, mixture, per_step=per_step) for _ in range(2))
    drawn(first, before), drawn(second, before)
    scout = first.fork()
    draws = [scout.draw() for _ in range(ahead)]
    assert first.state_dict() == second.state_dict()
    for draw in draws:
        first.follow(draw)
    drawn(second, ahead)
    assert first.state_dict() == second.state_dict()
    assert drawn(first, 10) == drawn(second, 10)


def test_the_smallest_data_set_ends_nothing() -> None:
    source = stream({"small": 2, "large": 100}, Uniform())
    steps = drawn(source, 200)
    counts = {name: sum(name in step for step in steps) for name in ("small", "large")}
    assert sum(counts.values()) == 200
    assert min(counts.values()) > 70
    assert {row for step in steps for row in step.get("small", [])} == {0, 1}
    assert {row for step in steps for row in step.get("large", [])} == set(range(100))


def test_an_epoch_has_the_batches_of_all_that_are_drawn() -> None:
    assert stream(SIZES).steps_per_epoch == 1 + 3 + 7
    assert stream(SIZES, per_step=2).steps_per_epoch == round(11 / 2)
    assert stream(SIZES, per_step=None).steps_per_epoch == round(11 / 3)
    assert stream(SIZES, Fixed(weights={"b": 1})).steps_per_epoch == 3
    only = Fixed(weights={"b": 1, "c": 1})
    assert stream(SIZES, only, per_step=3).steps_per_epoch == 5
    source = stream({"a": 25})
    epoch = [row for step in drawn(source, source.steps_per_epoch) for row in step["a"]]
    assert sorted(epoch) == list(range(25))


def test_an_epoch_stays_the_same_while_it_runs() -> None:
    source = stream(SIZES)
    before = source.steps_per_epoch
    drawn(source, 50)
    assert source.steps_per_epoch == before


def test_rows_without_a_target_are_not_drawn() -> None:
    made = split("a", 6, {"a": targets([1, None, 3, None, 5, None])})
    source = Stream({"a": made}, Proportional(), {"a": BatchSize(examples=3)}, StreamOptions())
    assert sorted(drawn(source, 1)[0]["a"]) == [0, 2, 4]
    empty = split("a", 2, {"a": targets([None, None])})
    with pytest.raises(InputError, match="'a': there is no row"):
        Stream({"a": empty}, Proportional(), {"a": BatchSize()}, StreamOptions())


def test_an_epoch_of_a_proportional_mixture_sees_all_rows_alike() -> None:
    made = {"a": split("a", 60, {"a": targets([1.0] * 40 + [None] * 20)}), "b": split("b", 400)}
    sizes = {"a": BatchSize(examples=4), "b": BatchSize(examples=40)}
    source = Stream(made, Proportional(), sizes, StreamOptions())
    assert source.steps_per_epoch == 20
    steps = drawn(source, 200 * source.steps_per_epoch)
    passes = {
        name: sum(len(step.get(name, [])) for step in steps) / rows
        for name, rows in (("a", 40), ("b", 400))
    }
    # Five deviations of the number of draws: 4000 coins, 200 passes of 10 batches each.
    assert all(abs(found - 200) < 5 * 1000**0.5 / 10 for found in passes.values())


def test_each_data_set_has_its_own_batch_size() -> None:
    made = {"a": split("a", 8), "b": split("b", 8)}
    sizes = {"a": BatchSize(examples=2), "b": BatchSize(examples=8)}
    source = Stream(made, Proportional(), sizes, StreamOptions(per_step=None))
    assert {name: len(rows) for name, rows in drawn(source, 1)[0].items()} == {"a": 2, "b": 8}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="4 data sets per step, but there are 3"):
        stream(SIZES, per_step=4)
    with pytest.raises(InputError, match=r"another mixture; data sets \['b', 'd'\] differ"):
        stream({"a": 1, "b": 2}).load_state_dict(stream({"a": 1, "d": 2}).state_dict())
    made = {"a": split("a", 2), "b": ragged_split("b", [1, 2])}
    sizes = dict.fromkeys(made, BatchSize())
    with pytest.raises(InputError, match="cannot be joined"):
        Stream(made, Proportional(), sizes, StreamOptions(joined=True))
