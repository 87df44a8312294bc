"""A recipe as an experiment: every seed, the multi-task model, its matched single-task models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polytask.errors import InputError, unknown
from polytask.experiment.claim import claim
from polytask.experiment.environment import environment_after
from polytask.experiment.plan import planned_runs
from polytask.experiment.run import Run
from polytask.experiment.summary import summarise
from polytask.files import write_json, write_text
from polytask.recipe import Prepared, Recipe, prepare, recipe_text
from polytask.training import Observer, Processes, Trainer

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
        runs = self.runs(prepared)
        done, missing = ([run for run in runs if run.done is so] for so in (True, False))
        for run in done:
            run.tidy()
        for run in missing:
            watching = observe(run) if observe and processes.is_main else ()
            # Made before anything is written: this is where the rest of a recipe proves wrong.
            trainer = run.trainer(processes, watching)
            if run is missing[0]:
                _check_others(done, missing, trainer)
                if processes.is_main:
                    self._describe(prepared)
            run.train(trainer)

    def runs(self, prepared: Prepared) -> list[Run]:
        """The runs of the experiment, see `planned_runs`."""
        return planned_runs(prepared, self.out, trust=self.trust, base=self.folder)

    def _check(self, prepared: Prepared) -> None:
        """Refuse what would fail only after the training."""
        select = self.recipe.select
        if select.reference == "single_task":
            if not any("validation" in data.tables for data in prepared.data.values()):
                raise InputError("select.reference: single_task needs a validation split")
            select = replace(select, reference={})  # the numbers are not known yet
        for key in ("ranges", "reference"):
            for name in getattr(select, key):
                if name not in prepared.tasks:
                    raise unknown("task", name, prepared.tasks, where=f"select.{key}")
        # Any numbers do: this asks whether the tasks and metrics of a formula exist.
        ones = {n: dict.fromkeys(t.output.metrics(), 1.0) for n, t in prepared.tasks.items()}
        select.score(prepared.tasks, ones)
        if not any("test" in data.tables for data in prepared.data.values()):
            raise InputError("data: no data set has a test split, so that nothing can be reported")

    def _describe(self, prepared: Prepared) -> None:
        write_text(self.out / "recipe.yaml", recipe_text(self.recipe))
        environment = self.out / "environment.json"
        write_json(environment, environment_after(environment, self.folder))
        write_json(self.out / "data.json", summarise(prepared))


def _check_others(done: Sequence[Run], missing: Sequence[Run], first: Trainer) -> None:
    """Refuse what the first of the missing runs does not show."""
    for run in done:
        run.check_data(first)
    if missing[-1].whole and not missing[0].whole:  # a recipe is about the model of all tasks
        missing[-1].trainer(first.processes)
