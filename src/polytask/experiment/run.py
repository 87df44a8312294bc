"""One run: some of a recipe's tasks, one seed, one folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polytask.construct import plain
from polytask.data import EncodedSplit, Loader
from polytask.errors import InputError
from polytask.evaluation import Aggregate
from polytask.experiment.narrow import narrowed_options, narrowed_select
from polytask.experiment.reference import single_task_reference
from polytask.experiment.results import (
    data_digests,
    read_summary,
    write_model,
    write_summary,
    write_test,
)
from polytask.models import MultiTaskModel
from polytask.recipe import Prepared
from polytask.recipe.balance import read_balancing
from polytask.training import Observer, Processes, Trainer
from polytask.training.balancing import Balancing
from polytask.training.checkpoint import Checkpoints
from polytask.training.warm_start import warm_start

__all__ = ["Run"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """Trains some tasks of a recipe on the recipe's whole mixture.

    The steps are those of the whole mixture whatever the tasks: a single-task run sees, at the same
    step and learning rate, the rows of the multi-task run that have a target of its task, and
    leaves out the steps that have none. So it is matched in data, order and number of updates.

    Args:
        prepared: the recipe with its data.
        tasks: names of the tasks to train.
        seed: of initial values, order and noise.
        folder: of this run.
        trust: the recipe may name the user's own code.
        base: relative paths of the recipe start here.
        singles: task -> folder of its matched single-task run of this seed, if the recipe scores
            this run by them (``select.reference: single_task``).
    """

    prepared: Prepared
    tasks: tuple[str, ...]
    seed: int
    folder: Path
    trust: bool = False
    base: Path = Path()
    singles: Mapping[str, Path] = field(default_factory=dict)
    _notes: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def done(self) -> bool:
        """Whether the run has finished and its results are written."""
        return (self.folder / "run.json").is_file()

    @property
    def whole(self) -> bool:
        """Whether the run has all tasks of the recipe."""
        return set(self.tasks) == set(self.prepared.tasks)

    def tidy(self) -> None:
        """Remove the checkpoints of a run that is done."""
        Checkpoints(self.folder / "checkpoints", keep=1).remove()

    def check_data(self, trainer: Trainer) -> None:
        """Refuse to add other runs to this one, which is done, on other training rows.

        Raises:
            InputError: a data set is not what it was.
        """
        before, now = read_summary(self.folder / "run.json").get("data", {}), data_digests(trainer)
        changed = [name for name in before if before[name] != now.get(name)]
        if changed:
            raise InputError(
                f"{self.folder}: was trained on other data ({', '.join(changed)} changed since); "
                "choose another --out"
            )

    def trainer(self, processes: Processes, observers: Sequence[Observer] = ()) -> Trainer:
        """Everything that training needs; writes nothing.

        Raises:
            InputError: model, mixture or training options of the recipe are wrong.
        """
        recipe = self.prepared.recipe
        model = self._model()
        train = self.prepared.encode("train", model)
        loader = Loader(
            self.prepared.stream(train, seed=self.seed, trust=self.trust),
            tasks=model.tasks,
            rank=processes.rank,
            processes=processes.count,
            micro_batches=recipe.training.micro_batches,
            uncut={task.data for task in model.tasks.values() if task.output.scope == "batch"},
            workers=recipe.training.workers,
        )
        validation = self._split("validation", model)
        options = recipe.training
        if not self.whole:
            options = narrowed_options(options, model, validated=bool(validation))
        return Trainer(
            model,
            loader,
            options,
            self.folder,
            validation=validation,
            select=self._select(),
            seed=self.seed,
            processes=processes,
            observers=(*observers, *self._trackers(processes)),
            balancing=self._balancing(),
        )

    def train(self, trainer: Trainer) -> None:
        """Train, or go on from the newest checkpoint, then test and write everything.

        Raises:
            InputError: there are checkpoints, but none is whole, or they are of another run; or
                what a single-task run wrote cannot be read.
            RunError: see `Trainer.fit`.
        """
        trainer.resume()
        if self.singles:
            trainer.select = self._by_reference(trainer.select)
        trainer.fit()
        if trainer.processes.is_main:
            write_test(trainer, self._split("test", trainer.model), self.folder)
            write_model(trainer.model, self.prepared, self.folder / "model")
            notes = {"seed": self.seed, **self._notes}
            write_summary(trainer, notes, self.folder / "run.json")
            trainer.checkpoints.remove()
        trainer.processes.wait()

    def _select(self) -> Aggregate:
        """The recipe's rule for the best weights, as far as it makes sense for these tasks."""
        select = self.prepared.recipe.select
        if self.whole and (self.singles or select.reference != "single_task"):
            return select
        return narrowed_select(select)

    def _by_reference(self, select: Aggregate) -> Aggregate:
        """The rule with the values of the single-task models, which are done by now."""
        found = single_task_reference(self.prepared.tasks, self.singles)
        self._notes["reference"] = found
        return replace(select, reference={k: v for k, v in found.items() if v is not None})

    def _model(self) -> MultiTaskModel:
        tasks = self.prepared.tasks.only(self.tasks)
        model = self.prepared.model(tasks, seed=self.seed, trust=self.trust)
        source = self.prepared.recipe.model.warm_start
        if source is not None:
            found = warm_start(model, self.base / source, seed=self.seed)
            logger.info("%s: %s", self.folder, found)
            self._notes["warm_start"] = plain(found)
        return model

    def _balancing(self) -> Balancing | None:
        """The recipe's way of balancing; a single task has nothing to balance."""
        found = read_balancing(self.prepared.recipe.balance, seed=self.seed, trust=self.trust)
        return found if len(self.tasks) > 1 else None

    def _trackers(self, processes: Processes) -> Sequence[Observer]:
        names = self.prepared.recipe.training.track
        if not names or not processes.is_main:
            return ()
        from polytask.training.trackers import make_trackers

        return make_trackers(names, self.folder)

    def _split(self, split: str, model: MultiTaskModel) -> dict[str, EncodedSplit]:
        """Data set -> split with the targets of this run, for those that have any."""
        encoded = self.prepared.encode(split, model)
        narrowed = {name: found.only(model.tasks) for name, found in encoded.items()}
        return {name: found for name, found in narrowed.items() if found.index.labelled.any()}
