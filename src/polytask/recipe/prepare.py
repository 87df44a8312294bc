"""From a recipe to fitted tasks, encoded data and a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from polytask.data import SPLITS, DataSet, EncodedSplit, encode_split, target_values
from polytask.data.mixtures import MIXTURES
from polytask.data.sampling import BatchSize
from polytask.data.sources.saved import SavedSource, saved_source
from polytask.data.stream import Stream, StreamOptions
from polytask.errors import unknown
from polytask.models import BACKBONES, SHARING, MultiTaskModel
from polytask.randomness import initialised
from polytask.recipe.data import read_data, shapes_of
from polytask.recipe.schema import Recipe
from polytask.recipe.tasks import expand_tasks
from polytask.tasks import Task, TaskSet

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A recipe whose data is read, whose tasks and inputs know what training tells.

    Args:
        recipe: the recipe.
        tasks: the fitted tasks.
        data: data sets by name, with fitted inputs.
    """

    recipe: Recipe
    tasks: TaskSet
    data: Mapping[str, DataSet]
    _encoded: dict[str, dict[str, EncodedSplit]] = field(default_factory=dict, repr=False)

    def model(self, tasks: TaskSet, *, seed: int, trust: bool = False) -> MultiTaskModel:
        """A new model for some of the tasks.

        The backbone and each head start from the same numbers whichever tasks are chosen.
        """
        spec = self.recipe.model
        backbone_spec = BACKBONES.build(spec.backbone, where="model.backbone", trust=trust)
        sharing_spec = SHARING.build(spec.sharing, where="model.sharing", trust=trust)
        with initialised(seed, "backbone"):
            backbone = backbone_spec.build(shapes_of(self.data))
        with initialised(seed, "sharing"):
            sharing = sharing_spec.build(backbone.width, tasks)
        return MultiTaskModel(backbone, tasks, sharing=sharing, seed=seed)

    def encode(self, split: str, model: MultiTaskModel) -> dict[str, EncodedSplit]:
        """Data set -> encoded split, for the data sets that have it.

        All splits are encoded at the first call, so that a test label that training does not have
        is found before anything is trained, and once: all models of a recipe read the same fields.
        """
        if not self._encoded:
            for name in SPLITS:
                self._encoded[name] = {
                    data.name: self._encode(data, name, model)
                    for data in self.data.values()
                    if name in data.tables
                }
        return self._encoded[split]

    def _encode(self, data: DataSet, split: str, model: MultiTaskModel) -> EncodedSplit:
        tasks = self.tasks.of_data(data.name)
        return encode_split(data.name, data.tables[split], data.input, tasks, model.backbone.text)

    def stream(
        self, splits: Mapping[str, EncodedSplit], *, seed: int, trust: bool = False
    ) -> Stream:
        """The training steps of the whole mixture."""
        mixture = MIXTURES.build(self.recipe.mixture, where="mixture", trust=trust)
        sizes = {name: self._batch(name) for name in splits}
        step = self.recipe.step
        per_step = None if step.data_sets == "all" else step.data_sets
        options = StreamOptions(per_step=per_step, joined=step.joined, seed=seed)
        return Stream(splits, mixture, sizes, options)

    def saved_source(self, name: str) -> SavedSource:
        """How the files of a data set are read, for the folder of a model."""
        spec, data = self.recipe.data[name], self.data[name]
        return saved_source(spec.source, spec.files, data.tables["train"], data.input.columns)

    def _batch(self, name: str) -> BatchSize:
        return self.recipe.data[name].batch or self.recipe.batch


def prepare(recipe: Recipe, *, folder: Path = Path(), trust: bool = False) -> Prepared:
    """Read the data of a recipe and let tasks and inputs learn from the training split.

    Args:
        recipe: the recipe.
        folder: relative paths start here.
        trust: the recipe may name the user's own code (``python:`` and the source ``function``).

    Raises:
        InputError: anything that cannot be read or learned from; names the file and line, or the
            recipe key.
    """
    data = read_data(recipe, folder=folder, trust=trust)
    tasks = [_fit(task, data) for task in expand_tasks(recipe, data, trust=trust)]
    return Prepared(recipe, TaskSet(tasks), data)


def _fit(task: Task, data: Mapping[str, DataSet]) -> Task:
    if task.data not in data:
        raise unknown("data set", task.data, data, where=f"tasks.{task.name}.data")
    table = data[task.data].tables["train"]
    return task.fit(target_values(table, task), where=table.origin)
