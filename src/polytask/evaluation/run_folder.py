"""The evidence in the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polytask.errors import InputError
from polytask.evaluation.compare import compare
from polytask.evaluation.comparison import Comparison
from polytask.evaluation.evidence_file import load_evidence
from polytask.evaluation.subject import Runs
from polytask.tasks import TaskSet
from polytask.tasks.metrics import Evidence

__all__ = ["RunEvidence", "compare_folder", "read_run", "seed_folders"]


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
        run: holds ``multi/seed-0/test/<task>.npz`` and, with baselines,
            ``single/<task>/seed-0/test/<task>.npz``.
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
        InputError: there is none, or a file cannot be read.
    """
    multi = {seed: _read(folder, list(tasks)) for seed, folder in seed_folders(run / "multi")}
    if not any(multi.values()):
        raise InputError(f"{run}: no evaluated model (no multi/seed-*/test/*.npz)")
    single: dict[int, dict[str, Evidence]] = {}
    for name in tasks:
        for seed, folder in seed_folders(run / "single" / name):
            single.setdefault(seed, {}).update(_read(folder, [name]))
    return RunEvidence(multi, single)


def seed_folders(parent: Path) -> list[tuple[int, Path]]:
    """The seeds and folders ``seed-<seed>`` in a folder, in the order of the seeds."""
    found = [(folder.name.removeprefix("seed-"), folder) for folder in parent.glob("seed-*")]
    return sorted((int(seed), folder) for seed, folder in found if seed.isdecimal())


def _read(folder: Path, names: list[str]) -> dict[str, Evidence]:
    files = {name: folder / "test" / f"{name}.npz" for name in names}
    return {name: load_evidence(file) for name, file in files.items() if file.exists()}
