"""What each of several processes runs in `test_processes`."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from tests.training.made import (
    Case,
    Crash,
    Recorder,
    assert_close,
    assert_equal,
    one_task,
    table,
    two_tasks,
    weights,
)

from polytask.errors import RunError
from polytask.tasks import Regression
from polytask.training import Processes
from polytask.training.log import read_log
from polytask.training.weights import write_tensors

ABSENT = table(40, 0)
ABSENT.columns["label"][:36] = None  # a batch of 8 has a label on one rank at most
ABSENT.columns["label"][36:] = ["up", "down", "up", "down"]

CASES = {
    "half the batch each": Case(),
    "a task that is often absent": Case(tables={"a": ABSENT}),
    "fewer rows than processes": Case(
        tables={"a": table(40, 0), "b": table(2, 1)},
        tasks=[*two_tasks("a"), *two_tasks("b")],
        per_step=None,
        examples=3,
    ),
    "batches of one": Case(examples=1, options={"steps": 8}),
    "a whole-batch loss": Case(
        tasks=[two_tasks()[0], replace(two_tasks()[1], output=Regression(loss="ccc"))]
    ),
    "a whole-batch loss alone": Case(tasks=one_task(Regression(loss="ccc"))),
    "a clipped gradient": Case(options={"clip_norm": 0.05}),
    "micro-batches": Case(options={"micro_batches": 2}),
    "weights": Case(tasks=two_tasks(example_weight="weight", weight=0.7)),
    "balanced": Case(tables={"a": ABSENT}, balance="pcgrad"),
    "balanced, batches of one": Case(examples=1, options={"steps": 8}, balance="pcgrad"),
    "balanced losses": Case(balance="uncertainty"),
    "balanced at the features": Case(balance={"method": "pcgrad", "cost": "features"}),
    "balanced at the last block": Case(balance={"method": "pcgrad", "cost": "last_block"}),
    "balanced, weights kept": Case(balance={"method": "pcgrad", "update_every": 3}),
    "balanced, micro-batches": Case(options={"micro_batches": 2}, balance="pcgrad"),
    "balanced, data sets": Case(
        tables={"a": table(40, 0), "b": table(3, 1)},
        tasks=[*two_tasks("a"), *two_tasks("b")],
        per_step=None,
        examples=3,
        balance="pcgrad",
    ),
    "balanced, a whole-batch loss": Case(
        tasks=[two_tasks()[0], replace(two_tasks()[1], output=Regression(loss="ccc"))],
        balance="pcgrad",
    ),
    "threads": Case(options={"workers": 2}),
}


def work(rank: int, count: int, folder: Path) -> None:
    """Everything that needs several processes, one after the other: starting them takes long."""
    torch.set_num_threads(1)
    os.environ.update(
        {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": (folder / "port").read_text(),
            "ACCELERATE_USE_CPU": "true",
        }
    )
    processes = Processes("cpu")
    assert (processes.rank, processes.count) == (rank, count)
    equality(processes, folder)
    different_start(processes, folder / "start")
    resumed(processes, folder / "resumed")
    stopped(processes, folder / "stopped")
    full_disk(processes, folder / "full")
    if rank == 0:
        (folder / "done").touch()
    dist.destroy_process_group()


def equality(processes: Processes, folder: Path) -> None:
    """The weights of the last and best step, and what all ranks have, as the test wants them."""
    for name, case in CASES.items():
        found = case.trained(folder / name, processes=processes)
        file = folder / f"{name}-{processes.rank}.safetensors"
        write_tensors(found, file)


def different_start(processes: Processes, folder: Path) -> None:
    """Models that start apart are made equal."""
    trainer = replace(Case(), seed=0).trainer(folder, processes=processes)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(processes.rank)
    processes.equalise(trainer.model)
    assert_equal(weights(trainer.model), weights(Case().model()))


def resumed(processes: Processes, folder: Path) -> None:
    """A crash of all processes changes nothing; the log holds the losses of the whole batch."""
    case = Case(options={"log_every": 1, "checkpoint_every": 3}, dropout=0.3)
    whole = case.trained(folder / "whole", processes=processes)
    part = replace(case, options={**case.options, "steps": 12})
    trainer = part.trainer(folder / "part", processes=processes)
    limit = 7

    def run_into_a_wall() -> None:
        update = trainer.update

        def failing(step: object, *arguments: object, **keywords: object) -> object:
            if step.index == limit:  # type: ignore[attr-defined]
                raise Crash
            return update(step, *arguments, **keywords)  # type: ignore[arg-type]

        trainer.update = failing  # type: ignore[assignment]
        try:
            trainer.fit()
        except Crash:
            return
        raise AssertionError

    run_into_a_wall()
    processes.wait()
    trainer = part.trainer(folder / "part", processes=processes)
    assert trainer.resume()
    assert trainer.state.step == 6
    trainer.fit()
    assert_equal(weights(trainer.model), whole)
    processes.wait()
    assert read_log(folder / "part" / "metrics.jsonl") == read_log(
        folder / "whole" / "metrics.jsonl"
    )


def stopped(processes: Processes, folder: Path) -> None:
    """A SIGTERM to one of them stops all, with a checkpoint."""

    class Stopper(Recorder):
        def step(self, step: int, total: int, losses: object) -> None:
            if step == 4:
                signal.raise_signal(signal.SIGTERM)

    case = Case(options={"log_every": 1, "checkpoint_every": 100, "evaluate_every": 100})
    trainer = case.trainer(folder, processes=processes, observers=[Stopper()])
    with pytest.raises(RunError, match="stopped at step 5 of 12"):
        trainer.fit()
    trainer = case.trainer(folder, processes=processes)
    assert trainer.resume()
    assert trainer.fit().finished
    assert_close(weights(trainer.model), case.trained(folder / "whole", processes=processes))


def full_disk(processes: Processes, folder: Path) -> None:
    """What one process cannot write is an error of all."""
    trainer = Case().trainer(folder, processes=processes)

    def full(checkpoint: object) -> None:
        raise RunError("cannot write: No space left on device")

    trainer.checkpoints.save = full  # type: ignore[method-assign]
    named = "No space left" if processes.is_main else "another process"
    with pytest.raises(RunError, match=named):
        trainer.fit()
