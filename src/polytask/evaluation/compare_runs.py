"""Several runs side by side, each against the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import InputError
from polytask.evaluation.compare import compare
from polytask.evaluation.comparison import Comparison
from polytask.evaluation.run_folder import read_multi
from polytask.tasks import TaskSet

__all__ = ["RunsComparison", "compare_runs"]


@dataclass(frozen=True)
class RunsComparison:
    """Several runs against the first one.

    Args:
        first: the name of the run that the others are compared with.
        others: run -> comparison, in which ``multi`` is that run and ``single`` is the first.
    """

    first: str
    others: Mapping[str, Comparison]


def compare_runs(
    folders: Sequence[Path], tasks: TaskSet, *, resamples: int = 2000
) -> RunsComparison:
    """Compare the multi-task models of several runs, with paired intervals.

    Runs that were trained with the same seeds are paired by seed, others are not.

    Args:
        folders: of the runs; the first is the one that the others are compared with.
        tasks: the fitted tasks that all runs have.
        resamples: of the test examples.

    Raises:
        InputError: fewer than two runs, or runs without evidence or with other test examples.
    """
    if len(folders) < 2:
        raise InputError("compare: give at least two run folders")
    first, *others = zip(_names(folders), folders, strict=True)
    evidence = read_multi(first[1], tasks)
    compared = {}
    for name, folder in others:
        try:
            run = read_multi(folder, tasks)
            compared[name] = compare(tasks, run, evidence, resamples=resamples)
        except InputError as error:
            raise InputError(f"{folder} cannot be compared with {first[1]}: {error}") from error
    return RunsComparison(first[0], compared)


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or their paths where two are named alike."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    paths = [str(folder) for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("compare: a run folder was given twice")
    return paths
