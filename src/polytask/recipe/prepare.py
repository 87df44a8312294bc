"""From a recipe to fitted tasks, encoded data and a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data import INPUTS, SOURCES, DataSet, EncodedSplit, Table, encode_split, read_splits, target_values
from polytask.data.mixtures import MIXTURES, Mixture
from polytask.data.sampling import BatchSize
from polytask.data.stream import Stream, StreamOptions
from polytask.errors import InputError, unknown
from polytask.models import BACKBONES, SHARING, MultiTaskModel
from polytask.randomness import initialised
from polytask.recipe.schema import DataSpec, Recipe
from polytask.recipe.tasks import expand_tasks
from polytask.tasks import Task, TaskSet

__all__ = ["Prepared", "prepare", "read_data", "shapes_of"]


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
        backbone_spec = BACKBONES.build(self.recipe.model.backbone, where="model.backbone", trust=trust)
        sharing_spec = SHARING.build(self.recipe.model.sharing, where="model.sharing", trust=trust)
        with initialised(seed, "backbone"):
            backbone = backbone_spec.build(shapes_of(self.data))
        with initialised(seed, "sharing"):
            sharing = sharing_spec.build(backbone.width, tasks)
        return MultiTaskModel(backbone, tasks, sharing=sharing, seed=seed)

    def encode(self, split: str, model: MultiTaskModel) -> dict[str, EncodedSplit]:
        """Data set -> encoded split, for the data sets that have it.

        It is encoded once: all models of a recipe read the same fields.
        """
        if split not in self._encoded:
            self._encoded[split] = {
                name: encode_split(
                    name, data.tables[split], data.input, self.tasks.of_data(name), model.backbone.text
                )
                for name, data in self.data.items()
                if split in data.tables
            }
        return self._encoded[split]

    def stream(self, splits: Mapping[str, EncodedSplit], *, seed: int, trust: bool = False) -> Stream:
        """The training steps of the whole mixture."""
        spec = self.recipe.mixture
        mixture: Mixture = MIXTURES.build({"type": spec.type, **spec.options}, where="mixture", trust=trust)
        sizes = {name: self._batch(name) for name in splits}
        per_step = None if spec.per_step == "all" else spec.per_step
        return Stream(splits, mixture, sizes, StreamOptions(per_step=per_step, joined=spec.joined, seed=seed))

    def _batch(self, name: str) -> BatchSize:
        return self.recipe.data[name].batch or self.recipe.batch


def prepare(recipe: Recipe, *, folder: Path = Path(), trust: bool = False) -> Prepared:
    """Read the data of a recipe and let tasks and inputs learn from the training split.

    Args:
        recipe: the recipe.
        folder: relative paths start here.
        trust: the recipe may name the user's own code (``python:`` and the source ``function``).

    Raises:
        InputError: anything that cannot be read or learned from; names the file and line or the recipe key.
    """
    data = read_data(recipe, folder=folder, trust=trust)
    tasks = [_fit(task, data) for task in expand_tasks(recipe, data, trust=trust)]
    return Prepared(recipe, TaskSet(tasks), data)


def read_data(recipe: Recipe, *, folder: Path = Path(), trust: bool = False) -> dict[str, DataSet]:
    """The data sets of a recipe, with fitted inputs.

    Raises:
        InputError: a file or an option is wrong.
    """
    return {name: _read(name, spec, folder, trust) for name, spec in recipe.data.items()}


def shapes_of(data: Mapping[str, DataSet]) -> Mapping[str, Any]:
    """What a backbone must know of the fields; the same for every data set.

    Raises:
        InputError: two data sets give different fields.
    """
    (first_name, first), *others = [(name, one.input.shapes()) for name, one in data.items()]
    for name, shapes in others:
        if shapes != first:
            raise InputError(
                f"one backbone cannot read both: data {first_name!r} gives {first}, {name!r} gives {shapes}"
            )
    return first


def _read(name: str, spec: DataSpec, folder: Path, trust: bool) -> DataSet:
    where = f"data.{name}"
    options = {"type": spec.source} if isinstance(spec.source, str) else dict(spec.source)
    if options.get("type") == "function":
        options["trust"] = trust
    source = SOURCES.build(options, where=f"{where}.source", trust=trust)
    tables = read_splits(source, spec.files, split=spec.split, folder=folder)
    if spec.limit is not None:
        tables = {split: _limited(table, spec.limit) for split, table in tables.items()}
    made = INPUTS.build(spec.input, where=f"{where}.input", trust=trust)
    return DataSet(name, made.fit(tables["train"]), tables)


def _limited(table: Table, limit: int) -> Table:
    """At most so many rows, spread evenly over the table."""
    if len(table) <= limit:
        return table
    return table.take(np.linspace(0, len(table) - 1, limit).round().astype(int))


def _fit(task: Task, data: Mapping[str, DataSet]) -> Task:
    if task.data not in data:
        raise unknown("data set", task.data, data, where=f"tasks.{task.name}.data")
    table = data[task.data].tables["train"]
    return task.fit(target_values(table, task), where=table.origin)
