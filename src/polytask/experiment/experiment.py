"""A recipe as an experiment: every seed, the multi-task model, its matched single-task models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import InputError, unknown
from polytask.experiment.claim import claim
from polytask.experiment.environment import environment
from polytask.experiment.run import Run
from polytask.experiment.summary import summarise
from polytask.files import write_json, write_text
from polytask.recipe import Prepared, Recipe, prepare, recipe_text
from polytask.tasks import TaskSet
from polytask.training import Observer, Processes

__all__ = ["Experiment"]


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

    def train(
        self, *, resume: bool = False, observe: Callable[[Run], Sequence[Observer]] | None = None
    ) -> None:
        """Train every run that is not done.

        Args:
            resume: go on with a folder that holds an unfinished experiment of this recipe.
            observe: makes the observers of a run.

        Raises:
            InputError: the recipe or its data is wrong, the folder holds another experiment, or
                this one and ``resume`` is not given; nothing was written.
            RunError: a run failed or was interrupted; the folder can be resumed.
        """
        processes = Processes(self.recipe.training.device)
        claim(self.out, self.recipe, resume=resume)
        prepared = prepare(self.recipe, folder=self.folder, trust=self.trust)
        self._check(prepared)
        processes.wait()  # nobody writes before everybody has looked at the folder
        described = False
        for run in self.runs(prepared):
            if run.done:
                run.tidy()
                continue
            watching = observe(run) if observe and processes.is_main else ()
            # Made before anything is written: this is where the rest of a recipe proves wrong.
            trainer = run.trainer(processes, watching)
            if processes.is_main and not described:
                self._describe(prepared)
            described = True
            run.train(trainer)

    def runs(self, prepared: Prepared) -> Iterator[Run]:
        """The runs of the experiment, in the order in which they are trained."""
        tasks = prepared.tasks
        for seed in self.recipe.seeds:
            yield self._run(prepared, tuple(tasks), seed, "multi")
        if self.recipe.baselines == "single_task" and len(tasks) > 1:
            for seed in self.recipe.seeds:
                for name in tasks:
                    yield self._run(
                        prepared, with_dependencies(tasks, name), seed, f"single/{name}"
                    )

    def _run(self, prepared: Prepared, tasks: tuple[str, ...], seed: int, place: str) -> Run:
        folder = self.out / place / f"seed-{seed}"
        return Run(prepared, tasks, seed, folder, trust=self.trust, base=self.folder)

    def _check(self, prepared: Prepared) -> None:
        """Refuse what would fail only after the training."""
        for key in ("ranges", "reference"):
            for name in getattr(self.recipe.select, key):
                if name not in prepared.tasks:
                    raise unknown("task", name, prepared.tasks, where=f"select.{key}")
        # Any numbers do: this asks whether the tasks and metrics of a formula exist.
        ones = {n: dict.fromkeys(t.output.metrics(), 1.0) for n, t in prepared.tasks.items()}
        self.recipe.select.score(prepared.tasks, ones)
        if not any("test" in data.tables for data in prepared.data.values()):
            raise InputError("data: no data set has a test split, so that nothing can be reported")

    def _describe(self, prepared: Prepared) -> None:
        write_text(self.out / "recipe.yaml", recipe_text(self.recipe))
        write_json(self.out / "environment.json", environment(self.folder))
        write_json(self.out / "data.json", summarise(prepared))


def with_dependencies(tasks: TaskSet, name: str) -> tuple[str, ...]:
    """A task and all that its head needs."""
    needed = {name}
    for other in reversed(tasks.order):
        if other in needed:
            needed.update(tasks[other].depends_on)
    return tuple(task for task in tasks if task in needed)
