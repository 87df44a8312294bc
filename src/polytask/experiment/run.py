"""One run: some of a recipe's tasks, one seed, one folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polytask.data import EncodedSplit, Loader, evaluation_batches
from polytask.evaluation import collect, evaluate_evidence, save_evidence
from polytask.models import MultiTaskModel
from polytask.recipe import Prepared
from polytask.tasks import TaskSet
from polytask.training.files import write_json
from polytask.training.model_folder import SavedModel, save_model
from polytask.training.processes import Processes
from polytask.training.trainer import Observer, Trainer

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """Trains some tasks of a recipe on the recipe's whole mixture.

    The steps are those of the whole mixture whatever the tasks: a single-task run sees, at the same
    step and learning rate, the rows of the multi-task run that have a target of its task, and leaves
    out the steps that have none. So it is matched in data, order and number of updates.

    Args:
        prepared: the recipe with its data.
        tasks: names of the tasks to train.
        seed: of initial values, order and noise.
        folder: of this run.
        trust: the recipe may name the user's own code.
    """

    prepared: Prepared
    tasks: tuple[str, ...]
    seed: int
    folder: Path
    trust: bool = False

    @property
    def done(self) -> bool:
        """Whether the run has finished and its results are written."""
        return (self.folder / "run.json").is_file()

    def train(self, processes: Processes, observers: Iterable[Observer] = ()) -> None:
        """Train, or go on from the newest checkpoint, then test and write everything.

        Raises:
            RunError: see `Trainer.fit`.
        """
        started = time.monotonic()
        tasks = self.prepared.tasks.only(self.tasks)
        model = self.prepared.model(tasks, seed=self.seed, trust=self.trust)
        trainer = self._trainer(model, tasks, processes, tuple(observers))
        trainer.resume()
        progress = trainer.fit()
        if processes.is_main:
            self._test(trainer, tasks)
            self._save(model)
            summary = {
                "seed": self.seed,
                "tasks": list(tasks),
                "steps": progress.step,
                "best_step": progress.best_step,
                "best_score": progress.best_score,
                "seconds": round(time.monotonic() - started, 2),
                "parameters": sum(p.numel() for p in model.parameters()),
            }
            write_json(self.folder / "run.json", summary)
            trainer.checkpoints.remove()
        processes.wait()

    def _trainer(
        self, model: MultiTaskModel, tasks: TaskSet, processes: Processes, observers: tuple[Observer, ...]
    ) -> Trainer:
        recipe = self.prepared.recipe
        stream = self.prepared.stream(self.prepared.encode("train", model), seed=self.seed, trust=self.trust)
        loader = Loader(
            stream,
            tasks=tasks,
            rank=processes.rank,
            processes=processes.count,
            micro_batches=recipe.training.micro_batches,
            uncut={task.data for task in tasks.values() if task.output.scope == "batch"},
            workers=recipe.training.workers,
        )
        return Trainer(
            model,
            loader,
            recipe.training,
            self.folder,
            validation=self._split("validation", model, tasks),
            select=recipe.select,
            seed=self.seed,
            processes=processes,
            observers=observers,
        )

    def _split(self, split: str, model: MultiTaskModel, tasks: TaskSet) -> Mapping[str, EncodedSplit]:
        encoded = {name: found.only(tasks) for name, found in self.prepared.encode(split, model).items()}
        return {name: found for name, found in encoded.items() if found.targets}

    def _test(self, trainer: Trainer, tasks: TaskSet) -> None:
        results: dict[str, Any] = {}
        for split in self._split("test", trainer.model, tasks).values():
            found = collect(trainer.model, tasks, evaluation_batches(split), device=trainer.device)
            for name, evidence in found.items():
                save_evidence(evidence, self.folder / "test" / f"{name}.npz")
            results.update(evaluate_evidence(tasks, found))
        write_json(self.folder / "test.json", {name: results[name] for name in tasks if name in results})

    def _save(self, model: MultiTaskModel) -> None:
        spec = self.prepared.recipe.model
        inputs = {name: data.input for name, data in self.prepared.data.items()}
        save_model(SavedModel(model, inputs, spec.backbone, spec.sharing), self.folder / "model")
