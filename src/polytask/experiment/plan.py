"""Which runs a recipe asks for, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from polytask.experiment.run import Run
from polytask.recipe import Prepared
from polytask.tasks import TaskSet

__all__ = ["planned_runs"]


def planned_runs(
    prepared: Prepared, out: Path, *, trust: bool = False, base: Path = Path()
) -> list[Run]:
    """The runs of an experiment, in the order in which they are trained.

    Multi-task models come first: they are what was asked for. Where their score refers to the
    single-task models (``select.reference: single_task``), those of a seed come before its
    multi-task model.

    Args:
        prepared: the recipe with its data.
        out: the folder of the experiment.
        trust: the recipe may name the user's own code.
        base: relative paths of the recipe start here.
    """
    recipe, tasks = prepared.recipe, prepared.tasks

    def run(place: str, seed: int, names: Sequence[str], singles: Mapping[str, Path]) -> Run:
        folder = out / place / f"seed-{seed}"
        return Run(prepared, tuple(names), seed, folder, trust, base, singles)

    # One task is its own baseline.
    compared = tasks if recipe.baselines == "single_task" and len(tasks) > 1 else ()
    single = {
        seed: {n: run(f"single/{n}", seed, with_dependencies(tasks, n), {}) for n in compared}
        for seed in recipe.seeds
    }
    first = recipe.select.reference == "single_task"
    multi = {
        seed: run("multi", seed, list(tasks), {n: one.folder for n, one in ones.items() if first})
        for seed, ones in single.items()
    }
    if first:
        return [one for seed in recipe.seeds for one in (*single[seed].values(), multi[seed])]
    return [*multi.values(), *(one for ones in single.values() for one in ones.values())]


def with_dependencies(tasks: TaskSet, name: str) -> tuple[str, ...]:
    """A task and all that its head needs."""
    needed = {name}
    for other in reversed(tasks.order):
        if other in needed:
            needed.update(tasks[other].depends_on)
    return tuple(task for task in tasks if task in needed)
