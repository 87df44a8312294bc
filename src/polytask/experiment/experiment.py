"""A recipe as an experiment: every seed, the multi-task model and its matched single-task models."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from polytask.errors import InputError
from polytask.recipe import Prepared, Recipe, prepare, recipe_text
from polytask.tasks import TaskSet
from polytask.training.files import write_json, write_text
from polytask.training.processes import Processes
from polytask.experiment.run import Run
from polytask.experiment.summary import summarise
from polytask.training.trainer import Observer

__all__ = ["Experiment"]

PACKAGES = ("polytask", "torch", "numpy", "transformers", "accelerate", "safetensors")
"""Packages whose versions are written beside a run."""


@dataclass(frozen=True)
class Experiment:
    """Trains all that a recipe asks for, into one folder.

    Args:
        recipe: the recipe.
        out: the folder of the experiment.
        folder: relative paths of the recipe start here.
        trust: the recipe may name the user's own code.
    """

    recipe: Recipe
    out: Path
    folder: Path = Path()
    trust: bool = False

    def train(self, *, resume: bool = False, observe: Callable[[Run], list[Observer]] | None = None) -> None:
        """Train every run that is not done.

        Args:
            resume: go on with a folder that holds an unfinished experiment of this recipe.
            observe: makes the observers of a run.

        Raises:
            InputError: the folder holds another experiment, or this one and ``resume`` is not given.
            RunError: a run failed or was interrupted; the folder can be resumed.
        """
        self._claim(resume=resume)
        processes = Processes(self.recipe.training.device)
        prepared = prepare(self.recipe, folder=self.folder, trust=self.trust)
        if processes.is_main:
            self._describe(prepared)
        for run in self.runs(prepared):
            if not run.done:
                run.train(processes, observe(run) if observe and processes.is_main else ())

    def runs(self, prepared: Prepared) -> Iterator[Run]:
        """The runs of the experiment, in the order in which they are trained."""
        tasks = prepared.tasks
        for seed in self.recipe.seeds:
            yield Run(prepared, tuple(tasks), seed, self.out / "multi" / f"seed-{seed}", self.trust)
        if self.recipe.baselines == "single_task" and len(tasks) > 1:
            for seed in self.recipe.seeds:
                for name in tasks:
                    folder = self.out / "single" / name / f"seed-{seed}"
                    yield Run(prepared, with_dependencies(tasks, name), seed, folder, self.trust)

    def _claim(self, *, resume: bool) -> None:
        """Make the folder ours, or refuse before anything is written."""
        file = self.out / "recipe.yaml"
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out}: is a file, not a folder")
        if not file.exists():
            if self.out.is_dir() and any(self.out.iterdir()):
                raise InputError(f"{self.out}: is not empty and holds no polytask run; choose another --out")
            return
        if file.read_text(encoding="utf-8") != recipe_text(self.recipe):
            raise InputError(f"{self.out}: holds a run of another recipe; choose another --out")
        if not resume:
            raise InputError(f"{self.out}: already holds a run of this recipe; --resume goes on with it")

    def _describe(self, prepared: Prepared) -> None:
        write_text(self.out / "recipe.yaml", recipe_text(self.recipe))
        write_json(self.out / "environment.json", environment())
        write_json(self.out / "data.json", summarise(prepared))


def with_dependencies(tasks: TaskSet, name: str) -> tuple[str, ...]:
    """A task and all that its head needs."""
    needed = {name}
    for other in reversed(tasks.order):
        if other in needed:
            needed.update(tasks[other].depends_on)
    return tuple(task for task in tasks if task in needed)


def environment() -> Mapping[str, Any]:
    """Versions and machine of a run."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {"python": sys.version.split()[0], "system": platform.platform(), "packages": versions}
