from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from itertools import islice
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.made import contents, drawn, ragged_split, split, stream, targets

from polytask.data import (
    BatchSize,
    EncodedSplit,
    Loader,
    Step,
    Stream,
    StreamOptions,
    evaluation_batches,
)
from polytask.data.mixtures import Proportional
from polytask.errors import InputError

SIZES = {"a": 7, "b": 20}


def first(loader: Loader, steps: int) -> list[Step]:
    return list(islice(iter(loader), steps))


def everything(steps: list[Step]) -> list[Any]:
    return [(s.index, [contents(batch) for batch in s.batches], s.totals) for s in steps]


def of_table(made: EncodedSplit, *, examples: int) -> Stream:
    size = {made.data: BatchSize(examples=examples)}
    return Stream({made.data: made}, Proportional(), size, StreamOptions())


def loader_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("polytask-loader")]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 2]), st.booleans())
def test_the_slices_of_all_ranks_are_the_global_draw(
    processes: int, micro_batches: int, per_step: int, joined: bool
) -> None:
    def source() -> Stream:
        return stream(SIZES, per_step=per_step, joined=joined)

    ranks = [
        first(Loader(source(), rank=r, processes=processes, micro_batches=micro_batches), 12)
        for r in range(processes)
    ]
    for steps, draw in zip(zip(*ranks, strict=True), drawn(source(), 12), strict=True):
        assert all(step.totals == steps[0].totals for step in steps)
        assert steps[0].totals == {name: len(rows) for name, rows in draw.items()}
        found: dict[str, list[int]] = {name: [] for name in draw}
        for step in steps:
            assert len(step.batches) <= micro_batches * (1 if joined else per_step)
            for batch in step.batches:
                for name, rows in batch.rows.items():
                    found[name] += (batch.ids if rows is None else batch.ids[rows]).tolist()
        assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in draw.items()}


def test_micro_batches_are_as_large_as_each_other() -> None:
    steps = first(Loader(stream({"a": 10}, examples=10), micro_batches=4), 1)
    assert [len(batch) for batch in steps[0].batches] == [3, 3, 2, 2]


def test_totals_are_the_sums_of_the_loss_weights() -> None:
    made = split("d", 4, {"x": targets([1, None, 3, None]), "y": targets([None, 2, None, None])})
    losses = {"x": torch.tensor([0.5, 0, 2, 0]), "y": torch.tensor([0, 3.0, 0, 0])}
    made = EncodedSplit("d", made.fields, made.targets, made.row_weights, losses)
    assert first(Loader(of_table(made, examples=4)), 1)[0].totals == {"x": 2.5, "y": 3.0}


def test_a_task_may_be_absent_on_one_rank() -> None:
    made = split("d", 4, {"x": targets([1, 2, 3, 4]), "y": targets([None, None, 7, None])})
    ranks = [first(Loader(of_table(made, examples=4), rank=r, processes=2), 3) for r in (0, 1)]
    for steps in zip(*ranks, strict=True):
        carried = [batch.tasks for step in steps for batch in step.batches]
        assert sorted(carried) == [("x",), ("x", "y")]
        assert all(step.totals == {"x": 4, "y": 1} for step in steps)


def test_a_step_may_carry_nothing_for_a_rank() -> None:
    ranks = [first(Loader(stream({"a": 1}), rank=r, processes=3), 2) for r in range(3)]
    assert sorted(len(steps[0].batches) for steps in ranks) == [0, 0, 1]
    assert all(steps[0].totals == {"a": 1} for steps in ranks)


def test_uncut_data_sets_are_whole_on_every_rank() -> None:
    made = stream(SIZES, per_step=2)
    for rank in range(2):
        loader = Loader(made.fork(), rank=rank, processes=2, micro_batches=2, uncut=["a"])
        for step in first(loader, 5):
            whole, *cut = step.batches
            assert whole.tasks == ("a",)
            assert step.totals["a"] == 2 * len(whole)
            assert len(cut) == 2
            assert all(batch.tasks == ("b",) for batch in cut)


def test_rows_without_the_wanted_tasks_are_left_out() -> None:
    made = split("d", 4, {"x": targets([1, 2, 3, None]), "y": targets([None, 7, None, 8])})
    one, both = (Loader(of_table(made, examples=2), tasks=t) for t in (["y"], None))
    for alone, together in zip(first(one, 10), first(both, 10), strict=True):
        ids = sorted(i for batch in together.batches for i in batch.ids.tolist())
        kept = sorted(i for batch in alone.batches for i in batch.ids.tolist())
        assert kept == [i for i in ids if i in (1, 3)]
        assert alone.index == together.index
        assert alone.totals == {k: v for k, v in together.totals.items() if k == "y"}
    assert any(not step.batches and not step.totals for step in first(one, 20))


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(workers: int) -> None:
    made = stream(SIZES, per_step=2)
    alone, ahead = Loader(made.fork()), Loader(made.fork(), workers=workers)
    for one, other in islice(zip(alone, ahead, strict=True), 40):
        assert everything([one]) == everything([other])
        assert alone.state_dict() == ahead.state_dict()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 30), st.integers(0, 2))
def test_a_restored_loader_goes_on_alike(before: int, workers: int) -> None:
    made = stream(SIZES)
    straight = first(Loader(made.fork()), before + 10)
    stopped = Loader(made.fork(), workers=workers)
    first(stopped, before)
    resumed = Loader(made.fork(), workers=2 - workers)
    resumed.load_state_dict(stopped.state_dict())
    assert everything(first(resumed, 10)) == everything(straight[before:])


def test_threads_end_with_the_iteration() -> None:
    gc.collect()
    for way in ("close", "forget"):
        steps = iter(Loader(stream(SIZES), workers=2))
        next(steps)
        assert loader_threads()
        if way == "close":
            steps.close()  # type: ignore[attr-defined]
        del steps
        gc.collect()
        deadline = time.monotonic() + 5
        while loader_threads() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not loader_threads()


def test_the_interpreter_ends_while_threads_gather() -> None:
    code = (
        "from tests.data.made import stream\n"
        "from polytask.data import Loader\n"
        "steps = iter(Loader(stream({'a': 100}), workers=2))\n"
        "next(steps)\n"
        "print('done')\n"
    )
    path = [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); exec({code!r})"]
    found = subprocess.run(path, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "done\n", "")


def test_an_error_in_a_worker_reaches_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no such row")

    monkeypatch.setattr("polytask.data.loader.collate", broken)
    with pytest.raises(RuntimeError, match="no such row"):
        next(iter(Loader(stream(SIZES), workers=2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ["aa"]}, "unknown task 'aa'; did you mean 'a'"),
        ({"uncut": ["c"]}, "unknown data set 'c'"),
        ({"rank": 2, "processes": 2}, "rank 2 of 2"),
        ({"micro_batches": 0}, "0 micro-batches"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Loader(stream(SIZES), **options)


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_evaluation_sees_every_row_once_longest_first(lengths: list[int]) -> None:
    batches = list(evaluation_batches(ragged_split("d", lengths), examples=10, tokens=200))
    ids = [row for batch in batches for row in batch.ids.tolist()]
    assert sorted(ids) == list(range(len(lengths)))
    assert [lengths[row] for row in ids] == sorted(lengths, reverse=True)
    for batch in batches:
        count, longest = batch.fields["input_ids"].shape
        assert count <= 10
        assert count <= 8 or count * longest <= 200
