"""One run: some of a recipe's tasks, one seed, one folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polytask.data import EncodedSplit, Loader
from polytask.experiment.results import write_model, write_summary, write_test
from polytask.models import MultiTaskModel
from polytask.recipe import Prepared
from polytask.registry import plain
from polytask.training import Observer, Processes, Trainer, TrainingOptions
from polytask.training.checkpoint import Checkpoints
from polytask.training.parameter_groups import starts
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
    """

    prepared: Prepared
    tasks: tuple[str, ...]
    seed: int
    folder: Path
    trust: bool = False
    base: Path = Path()
    _notes: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def done(self) -> bool:
        """Whether the run has finished and its results are written."""
        return (self.folder / "run.json").is_file()

    @property
    def _whole(self) -> bool:
        """Whether the run has all tasks of the recipe."""
        return set(self.tasks) == set(self.prepared.tasks)

    def tidy(self) -> None:
        """Remove the checkpoints of a run that is done."""
        Checkpoints(self.folder / "checkpoints", keep=1).remove()

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
        return Trainer(
            model,
            loader,
            self._options(model, validation),
            self.folder,
            validation=validation,
            select=recipe.select if self._whole else replace(recipe.select, formula=None),
            seed=self.seed,
            processes=processes,
            observers=(*observers, *self._trackers(processes)),
        )

    def train(self, trainer: Trainer) -> None:
        """Train, or go on from the newest checkpoint, then test and write everything.

        Raises:
            RunError: see `Trainer.fit`.
        """
        trainer.resume()
        trainer.fit()
        if trainer.processes.is_main:
            write_test(trainer, self._split("test", trainer.model), self.folder)
            write_model(trainer.model, self.prepared, self.folder / "model")
            notes = {"seed": self.seed, **self._notes}
            write_summary(trainer, notes, self.folder / "run.json")
            trainer.checkpoints.remove()
        trainer.processes.wait()

    def _model(self) -> MultiTaskModel:
        tasks = self.prepared.tasks.only(self.tasks)
        model = self.prepared.model(tasks, seed=self.seed, trust=self.trust)
        source = self.prepared.recipe.model.warm_start
        if source is not None:
            found = warm_start(model, self.base / source, seed=self.seed)
            logger.info("%s: %s", self.folder, found)
            self._notes["warm_start"] = plain(found)
        return model

    def _options(
        self, model: MultiTaskModel, validation: Mapping[str, EncodedSplit]
    ) -> TrainingOptions:
        """The recipe's options, without those about tasks that this run does not have."""
        options = self.prepared.recipe.training
        if self._whole:
            return options
        names = [name for name, _ in model.named_parameters()]

        def there(start: str) -> bool:
            return any(starts(name, start) for name in names)

        return replace(
            options,
            freeze=[start for start in options.freeze if there(start)],
            learning_rates={k: v for k, v in options.learning_rates.items() if there(k)},
            patience=options.patience if validation else None,
        )

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
