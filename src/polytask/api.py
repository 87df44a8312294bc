"""The few functions that most users need: train, evaluate, compare, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polytask.data import SPLITS
from polytask.errors import InputError, unknown
from polytask.evaluation import collect, evaluate_evidence
from polytask.evaluation.comparison import Comparison
from polytask.evaluation.comparison_file import write_comparison
from polytask.evaluation.run_folder import compare_folder
from polytask.experiment import Experiment, Run
from polytask.predictor import load, model_folder
from polytask.recipe import Recipe, read_recipe
from polytask.tasks import TaskSet
from polytask.training import Observer
from polytask.training.model_folder import load_model

__all__ = ["evaluate", "finish", "tasks_of", "train"]


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
        resume: go on with an unfinished run in ``out``.
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
        InputError: the folder holds no finished run.
    """
    from polytask.report import write_report

    comparison = compare_folder(run, tasks_of(run, trust=trust))
    write_comparison(comparison, run / "metrics.json")
    write_report(run)
    return comparison


def tasks_of(run: Path, *, trust: bool = False) -> TaskSet:
    """The fitted tasks of a finished run.

    Raises:
        InputError: the folder holds no trained model.
    """
    return load_model(model_folder(run), trust=trust).model.tasks


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
