"""The few functions that most users need: train, evaluate, compare, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from polytask.data import SPLITS
from polytask.errors import InputError, unknown
from polytask.evaluation import collect, evaluate_evidence
from polytask.evaluation.compare_runs import RunsComparison, compare_runs
from polytask.evaluation.comparison import Comparison
from polytask.evaluation.comparison_file import write_comparison
from polytask.evaluation.run_folder import compare_folder
from polytask.experiment import Experiment, Run
from polytask.predictor import load, model_folder
from polytask.recipe import Recipe, read_recipe
from polytask.tasks import TaskSet
from polytask.training import Observer, Processes
from polytask.training.model_folder import load_model

__all__ = ["compare", "evaluate", "finish", "tasks_of", "train"]


def train(
    recipe: str | Path | Recipe,
    *,
    out: str | Path,
    overrides: Mapping[str, Any] | None = None,
    smoke: bool = False,
    resume: bool = False,
    trust: bool = False,
    observe: Callable[[Run], list[Observer]] | None = None,
) -> Comparison:
    """Train what a recipe asks for, compare it with its baselines and write the report.

    Args:
        recipe: a YAML file, or a recipe made in Python (then relative paths start from here).
        out: the folder of the run; it must not hold another one.
        overrides: dotted key -> value, on top of the file.
        smoke: a run of seconds, with the overrides under ``smoke`` in the recipe.
        resume: go on with an unfinished run in ``out``, or add to a finished one: the recipe may
            have more ``seeds`` than before, or ``baselines`` where there were none.
        trust: the recipe may name the user's own code.
        observe: makes the observers of each run, for progress displays.

    Returns:
        The comparison that ``metrics.json`` holds.

    Raises:
        InputError: the recipe, the data or the folder is wrong; nothing was written.
        RunError: training failed or was interrupted; resume goes on from the last checkpoint.
    """
    folder = Path()
    if not isinstance(recipe, Recipe):
        recipe, folder = read_recipe(recipe, overrides=overrides, smoke=smoke)
    elif overrides or smoke:
        raise InputError("overrides and smoke go with a recipe file")
    Experiment(recipe, Path(out), folder, trust).train(resume=resume, observe=observe)
    return finish(Path(out), trust=trust)


def finish(run: Path, *, trust: bool = False) -> Comparison:
    """Compare the models of a finished run, write ``metrics.json`` and ``report.html``.

    Raises:
        InputError: the folder holds no finished run, or a stored result is absent, truncated or
            altered; names it.
        RunError: a file cannot be written.
    """
    from polytask.report import write_report

    comparison = compare_folder(run, tasks_of(run, trust=trust))
    if Processes().is_main:
        write_comparison(comparison, run / "metrics.json")
        write_report(run)
    return comparison


def tasks_of(run: Path, *, trust: bool = False) -> TaskSet:
    """The fitted tasks of a finished run.

    Raises:
        InputError: the folder holds no trained model.
    """
    return load_model(model_folder(run), trust=trust).model.tasks


def compare(runs: Sequence[str | Path], *, trust: bool = False) -> RunsComparison:
    """Compare the multi-task models of several finished runs, task by task, with intervals.

    Args:
        runs: their folders; the first is the one that the others are compared with.
        trust: the models may name the user's own classes, which are imported.

    Returns:
        For each of the others a comparison, over the tasks that all runs have.

    Raises:
        InputError: fewer than two runs, a folder without a finished run, no common task, other
            test examples, or stored results that are absent, truncated or altered.

    Example:
        >>> found = polytask.compare(["runs/small", "runs/large"])  # doctest: +SKIP
        >>> found.others["large"].named("hurt")  # doctest: +SKIP
        ['slots']
    """
    folders = [Path(run) for run in runs]
    if len(folders) < 2:
        raise InputError("compare: give at least two run folders")
    first, *others = (tasks_of(folder, trust=trust) for folder in folders)
    # What a head sees beside the features does not matter for a comparison of what it says.
    common = [
        replace(task, depends_on={})
        for name, task in first.items()
        if all(name in tasks for tasks in others)
    ]
    if not common:
        raise InputError(f"compare: no task is in all of {', '.join(map(str, folders))}")
    return compare_runs(folders, TaskSet(common))


def evaluate(
    run: str | Path,
    *,
    split: str = "test",
    files: Mapping[str, str] | None = None,
    seed: int | None = None,
    trust: bool = False,
) -> dict[str, dict[str, float]]:
    """Evaluate a trained model on a split of its recipe's data, or on other files.

    Args:
        run: the folder of a run.
        split: train, validation or test.
        files: data set -> a file to evaluate on instead, read as the recipe reads that data set.
        seed: which model; the first by default.
        trust: the recipe may name the user's own code.

    Returns:
        Task -> metric -> value, for the tasks that have targets there.

    Raises:
        InputError: there is no trained model, no such split, or a file that cannot be read.
    """
    from polytask.experiment.evaluation_data import evaluation_splits

    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    model = load(run, seed=seed, trust=trust)
    metrics: dict[str, dict[str, float]] = {}
    for batches in evaluation_splits(
        Path(run), model.saved, split=split, files=files or {}, trust=trust
    ):
        metrics.update(evaluate_evidence(model.tasks, collect(model.model, model.tasks, batches)))
    if not metrics:
        raise InputError(f"{run}: no task has a target in split {split!r}")
    return {name: metrics[name] for name in model.tasks if name in metrics}
