"""Phases of a schedule in which only some tasks learn."""

from __future__ import annotations

from itertools import islice

import pytest
from tests.data.made import split, targets

from polytask.data import BatchSize, Loader, Step, Stream, StreamOptions
from polytask.data.mixtures import Phase, Schedule
from polytask.errors import InputError


def source(*phases: Phase) -> Stream:
    """Data set a carries x in its even rows and y in all, data set b carries z."""
    x = targets([row if row % 2 == 0 else None for row in range(8)])
    y = targets([float(row) for row in range(8)])
    splits = {"a": split("a", 8, {"x": x, "y": y}), "b": split("b", 8, {"z": y})}
    sizes = dict.fromkeys(splits, BatchSize(examples=8))
    return Stream(splits, Schedule(phases=phases), sizes, StreamOptions(per_step=None))


def steps(loader: Loader, count: int) -> list[Step]:
    return list(islice(iter(loader), count))


def test_a_phase_carries_its_tasks_alone() -> None:
    loader = Loader(source(Phase(until=2, tasks=["x"]), Phase(tasks={"y": 0.5, "z": 2})))
    first, _, third = steps(loader, 3)
    assert [set(batch.tasks) for batch in first.batches] == [{"x"}]
    assert sorted(first.batches[0].ids.tolist()) == [0, 2, 4, 6]  # the rows that carry it
    assert (first.totals, first.factors) == ({"x": 4.0}, {"x": 1.0})
    assert third.totals == {"y": 8.0, "z": 8.0}
    assert third.factors == {"y": 0.5, "z": 2.0}


def test_a_phase_without_tasks_carries_all() -> None:
    loader = Loader(source(Phase(until=1, tasks=["z"]), Phase()))
    first, second = steps(loader, 2)
    assert (set(first.totals), set(second.totals)) == ({"z"}, {"x", "y", "z"})
    assert second.factors == {}


def test_a_factor_of_zero_leaves_a_task_out() -> None:
    (step,) = steps(Loader(source(Phase(tasks={"x": 0, "z": 1}))), 1)
    assert (step.totals, step.factors) == ({"z": 8.0}, {"z": 1.0})


def test_a_single_task_sees_the_phases_of_all() -> None:
    loader = Loader(source(Phase(until=1, tasks=["x", "z"]), Phase(tasks=["y"])), tasks=["x"])
    first, second = steps(loader, 2)
    assert (set(first.totals), set(second.totals)) == ({"x"}, set())
    assert second.batches == []


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_resumption_change_nothing(workers: int) -> None:
    phases = (Phase(until=2, tasks=["x"]), Phase(until=4, tasks=["y", "z"]), Phase())
    whole = steps(Loader(source(*phases)), 6)
    loader = Loader(source(*phases), workers=workers)
    before = steps(loader, 3)
    after = Loader(source(*phases), workers=workers)
    after.load_state_dict(loader.state_dict())
    found = [*before, *steps(after, 3)]
    assert [step.totals for step in found] == [step.totals for step in whole]
    assert [step.factors for step in found] == [step.factors for step in whole]


def test_data_sets_without_a_learning_task_are_not_drawn() -> None:
    stream = source(Phase(until=3, tasks=["z"]), Phase())
    assert [set(stream.draw().rows) for _ in range(4)] == [{"b"}] * 3 + [{"a", "b"}]


def test_bad_phases() -> None:
    with pytest.raises(InputError, match="unknown task 'zz'; did you mean 'z'"):
        source(Phase(tasks=["zz"]))
    with pytest.raises(InputError, match="from step 0 on, no data set is drawn that carries z"):
        source(Phase(weights={"a": 1}, tasks=["z"]))
    with pytest.raises(InputError, match="no task learns"):
        Phase(tasks={"x": 0})
    with pytest.raises(InputError, match="finite and not negative"):
        Phase(tasks={"x": -1})
