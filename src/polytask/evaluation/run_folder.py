"""The evidence in the folder of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import InputError
from polytask.evaluation.compare import compare
from polytask.evaluation.comparison import Comparison
from polytask.evaluation.evidence_folder import load_evidence
from polytask.evaluation.subject import Runs
from polytask.tasks import TaskSet
from polytask.tasks.metrics import Evidence

__all__ = ["RunEvidence", "compare_folder", "read_multi", "read_run"]

UNFINISHED = "is not finished; polytask train with --resume goes on"


@dataclass(frozen=True)
class RunEvidence:
    """What the models of a run said on the test split.

    Args:
        multi: seed -> task -> evidence of the multi-task models.
        single: the same of the single-task models; empty if there are none.
    """

    multi: Runs
    single: Runs


def compare_folder(run: Path, tasks: TaskSet, *, resamples: int = 2000) -> Comparison:
    """The comparison of a run from the evidence in its folder.

    Args:
        run: holds the evidence of its models, see `load_evidence`, in ``multi/seed-0/test`` and,
            with baselines, in ``single/<task>/seed-0/test``.
        tasks: the fitted tasks of the run.
        resamples: of the test examples.

    Raises:
        InputError: see `read_run` and `compare`.
    """
    found = read_run(run, tasks)
    return compare(tasks, found.multi, found.single, resamples=resamples)


def read_run(run: Path, tasks: TaskSet) -> RunEvidence:
    """Read the evidence of a run.

    Raises:
        InputError: there is none, a model of the run is not finished, or a file is absent,
            truncated or altered; names it.
    """
    return RunEvidence(read_multi(run, tasks), _read_single(run, tasks))


def read_multi(run: Path, tasks: TaskSet) -> Runs:
    """Read the evidence of the multi-task models alone; see `read_run`."""
    found = {seed: _read(folder, tasks) for seed, folder in _seed_folders(run / "multi")}
    if not any(found.values()):
        raise InputError(f"{run}: no evaluated model (no multi/seed-*/test)")
    return found


def _read_single(run: Path, tasks: TaskSet) -> Runs:
    found: dict[int, dict[str, Evidence]] = {}
    for name in tasks if (run / "single").is_dir() else ():
        folders = _seed_folders(run / "single" / name)
        if not folders:
            raise InputError(f"{run / 'single' / name}: is absent: the run {UNFINISHED}")
        for seed, folder in folders:
            found.setdefault(seed, {}).update(_read(folder, [name]))
    return found


def _seed_folders(parent: Path) -> list[tuple[int, Path]]:
    """The seeds and folders ``seed-<seed>`` in a folder, in the order of the seeds."""
    found = [(folder.name.removeprefix("seed-"), folder) for folder in parent.glob("seed-*")]
    return sorted((int(seed), folder) for seed, folder in found if seed.isdecimal())


def _read(folder: Path, names: Iterable[str]) -> dict[str, Evidence]:
    """What a model said about these tasks; those without a labelled test example are left out."""
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder}: holds no run.json: the run {UNFINISHED}")
    found = load_evidence(folder / "test")
    return {name: found[name] for name in names if name in found}
