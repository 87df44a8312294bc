"""A data set with its tasks, as the checks look at it; what several of them need is found once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polytask.data.check.keys import folded_keys, row_keys
from polytask.data.check.values import label_counts
from polytask.data.data_set import DataSet
from polytask.data.inputs.features import Features
from polytask.data.inputs.smiles import Smiles
from polytask.data.inputs.waveform import Waveform
from polytask.data.table import Table
from polytask.data.targets import target_values
from polytask.errors import InputError
from polytask.tasks import Task
from polytask.tasks.outputs.labels import Label

__all__ = ["Examined"]


@dataclass(frozen=True)
class Examined:
    """A data set with its tasks.

    Args:
        data: the data set.
        tasks: the tasks whose targets are in it; they need not be fitted.
        group: a column whose values must not fall on two sides, if there is one.
    """

    data: DataSet
    tasks: Sequence[Task]
    group: str | None = None

    @property
    def name(self) -> str:
        """Of the data set."""
        return self.data.name

    @property
    def train(self) -> Table:
        """The rows for training."""
        return self.data.tables["train"]

    @property
    def others(self) -> Mapping[str, Table]:
        """Split -> rows, without those for training."""
        return {split: table for split, table in self.data.tables.items() if split != "train"}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the input that tell examples apart and that every split has."""
        made = self.data.input
        names = (made.column,) if isinstance(made, Waveform) else made.columns
        tables = self.data.tables.values()
        return tuple(name for name in names if all(name in table.columns for table in tables))

    @cached_property
    def targets(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """Task -> split -> target column; without columns that do not exist."""
        return {task.name: self._targets(task) for task in self.tasks}

    @cached_property
    def labels(self) -> Mapping[str, Mapping[str, Mapping[Label, int]]]:
        """Task -> split -> label -> how often it comes; without tasks that have no labels."""
        found: dict[str, Mapping[str, Mapping[Label, int]]] = {}
        for task in self.tasks:
            counts = {s: label_counts(task, v) for s, v in self.targets[task.name].items()}
            known = {split: count for split, count in counts.items() if count is not None}
            if known:
                found[task.name] = known
        return found

    @cached_property
    def keys(self) -> Mapping[str, Sequence[Hashable]]:
        """Split -> key of each row; equal inputs have equal keys. Empty without input columns."""
        tables = self.data.tables if self.columns else {}
        return {split: row_keys(table, self.columns) for split, table in tables.items()}

    @cached_property
    def folded(self) -> Mapping[str, Sequence[Hashable | None]]:
        """As `keys`, with texts folded; empty where that means nothing (SMILES, numbers)."""
        is_text = bool(self.columns) and not isinstance(self.data.input, Smiles | Features)
        found = [self.train.columns[name] for name in self.columns]
        if not is_text or not any(c.dtype == object and _is_language(c) for c in found):
            return {}
        return {s: folded_keys(table, self.columns) for s, table in self.data.tables.items()}

    def _targets(self, task: Task) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for split, table in self.data.tables.items():
            try:
                found[split] = target_values(table, task)
            except InputError:
                continue  # reported by the check of targets
        return found


def _is_language(column: np.ndarray) -> bool:
    first = next((value for value in column if value is not None), None)
    return isinstance(first, str | list | tuple)
