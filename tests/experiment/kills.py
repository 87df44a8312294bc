"""Kills an experiment again and again, and lets it go on each time.

Run as a program of its own: it forks before any thread is started, so that each life of the
experiment begins at once, without importing everything anew.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import pandas  # noqa: F401 - imported by pyarrow when it is first used
import torch
import torch._dynamo  # imported by the first optimiser
from tests.experiment.made import contents, experiment

from polytask.errors import RunError
from polytask.experiment import Experiment
from polytask.files import verify
from polytask.training.checkpoint import Checkpoints

CHANGES = {
    "training.steps": 36,
    "training.evaluate_every": 7,
    "training.checkpoint_every": 3,
    "training.log_every": 2,
    "training.patience": 6,
    "training.micro_batches": 2,
    "step.data_sets": "all",
}
MORE = {"plain": {}, "reference": {"select.reference": "single_task"}}
"""Kinds of experiments: what changes beside `CHANGES`."""

STOPPED = 7
"""Exit code of a child that stopped with a message."""


def live(made: Experiment) -> int:
    """One life of the experiment in a child; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        made.train(resume=True)
        code = 0
    except RunError as error:
        code = STOPPED if str(error).startswith("stopped") else 1
    except KeyboardInterrupt:
        pass
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def code_of(child: int) -> int:
    """The exit code; negative is the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_folder(out: Path) -> None:
    """Whatever is there under its name is whole."""
    for folder in (*out.rglob("model"), *out.rglob("test")):
        if folder.is_dir():
            verify(folder)
    for folder in out.rglob("checkpoints"):
        steps = Checkpoints(folder, keep=2).steps()
        if steps and not (folder.parent / "run.json").exists():
            verify(folder / f"step-{steps[-1]:08d}")


def main(folder: Path, kind: str, kills: int) -> None:
    """Kill with SIGKILL, SIGTERM and SIGINT at random moments until it is done; compare."""
    torch.set_num_threads(1)
    changes = {**CHANGES, **MORE[kind]}
    whole, part = (experiment(folder, folder / name, changes) for name in ("whole", "part"))
    start = time.monotonic()
    assert code_of(live(whole)) == 0
    seconds = time.monotonic() - start
    rng = random.Random(int(os.environ.get("KILL_SEED", time.time_ns() % 10**6)))
    count = dict.fromkeys((signal.SIGKILL, signal.SIGTERM, signal.SIGINT), 0)
    done = False
    while not done and sum(count.values()) < kills:
        number = rng.choice(list(count))
        child = live(part)
        time.sleep(rng.uniform(0.1, 0.25) * seconds)
        os.kill(child, number)
        code = code_of(child)
        assert code in (0, STOPPED, -number, 1 if number == signal.SIGINT else 0), code
        count[number] += 1
        check_folder(folder / "part")
        done = code == 0
    assert done or code_of(live(part)) == 0
    assert contents(folder / "part") == contents(folder / "whole")
    print({key.name: value for key, value in count.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
