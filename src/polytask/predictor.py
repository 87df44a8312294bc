"""A trained model that answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polytask.data import EncodedSplit, Table, evaluation_batches
from polytask.data.inputs import Input
from polytask.errors import InputError
from polytask.training.model_folder import SavedModel, load_model, model_folder

__all__ = ["Predictor", "load", "model_folder"]


def load(folder: str | Path, *, seed: int | None = None, trust: bool = False) -> Predictor:
    """A trained model from its folder.

    Args:
        folder: of a whole run (then the multi-task model of one seed is taken) or of one model.
        seed: which one; the first by default.
        trust: the model may name the user's own classes, which are imported.

    Raises:
        InputError: there is no trained model, or a file of it is truncated or altered.
    """
    return Predictor(load_model(model_folder(Path(folder), seed=seed), trust=trust))


class Predictor:
    """Predicts with a trained model.

    Args:
        saved: the model and its inputs.

    Example:
        >>> model = polytask.load("runs/atis")  # doctest: +SKIP
        >>> model.predict([{"words": ["flights", "to", "boston"]}])  # doctest: +SKIP
        [{'intent': 'flight', 'slots': ['O', 'O', 'B-toloc.city_name']}]
    """

    def __init__(self, saved: SavedModel) -> None:
        self.saved = saved
        self.model = saved.model
        self.tasks = saved.model.tasks

    def predict(
        self,
        examples: Sequence[Any] | Table,
        *,
        tasks: Iterable[str] | None = None,
        scores: bool = False,
    ) -> list[dict[str, Any]]:
        """Predictions of each example.

        Args:
            examples: mappings from column to value, bare values if the model reads one column, or a
                table.
            tasks: names of the tasks to predict; by default all whose input columns the examples
                have.
            scores: give ``{"value": ..., "scores": ...}`` instead of the value alone: probabilities
                of the classes, values in the target's unit for regression.

        Returns:
            One mapping per example: task -> plain Python value.

        Raises:
            InputError: an unknown task, or examples without the columns that a task reads.
        """
        if len(examples) == 0:
            return []
        results: list[dict[str, Any]] = [{} for _ in range(len(examples))]
        for source, names in self._grouped(examples, tasks):
            table = examples if isinstance(examples, Table) else source.table(examples)
            for name, found in self._scores(source, table, names).items():
                values = self.tasks[name].output.decode(found)
                for result, value, score in zip(results, values, found, strict=True):
                    result[name] = (
                        {"value": value, "scores": np.asarray(score).tolist()} if scores else value
                    )
        return [{name: result[name] for name in self.tasks if name in result} for result in results]

    def _grouped(
        self, examples: Sequence[Any] | Table, tasks: Iterable[str] | None
    ) -> list[tuple[Input, list[str]]]:
        """Input -> the tasks to predict from it."""
        names = list(self.tasks) if tasks is None else [self.tasks[name].name for name in tasks]
        groups: list[tuple[Input, list[str]]] = []
        for name in names:
            source = self.saved.inputs[self.tasks[name].data]
            if tasks is None and not _readable(source, examples):
                continue
            for other, members in groups:
                if other == source:
                    members.append(name)
                    break
            else:
                groups.append((source, [name]))
        if not groups:
            raise InputError(f"no task can be predicted: {self._absent(examples)}")
        return groups

    def _absent(self, examples: Sequence[Any] | Table) -> str:
        """Which columns each input lacks in the examples."""
        given = examples.columns if isinstance(examples, Table) else examples[0]
        there = given if isinstance(given, Mapping) else ()
        lacks = {
            tuple(column for column in source.columns if column not in there)
            for source in self.saved.inputs.values()
        }
        origin = f"{examples.origin} lacks" if isinstance(examples, Table) else "the examples lack"
        return f"{origin} " + " or ".join(str(list(columns)) for columns in sorted(lacks))

    def _scores(self, source: Input, table: Table, names: Sequence[str]) -> dict[str, Any]:
        fields = source.encode(table, self.model.backbone.text)
        split = EncodedSplit("examples", fields, {}, {}, {})
        rows: Mapping[str, Tensor | None] = dict.fromkeys(names)
        gathered: dict[str, list[Any]] = {name: [None] * len(table) for name in names}
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            for batch in evaluation_batches(split):
                moved = batch.to(device)
                for name, output in self.model(moved.fields, rows).items():
                    found = self.tasks[name].output.scores(output).float().cpu().numpy()
                    words = self.tasks[name].output.level == "word"
                    lengths = (
                        moved.fields["word_starts.length"].tolist()
                        if words
                        else [None] * len(batch)
                    )
                    for position, row, length in zip(
                        batch.ids.tolist(), found, lengths, strict=True
                    ):
                        gathered[name][position] = row[:length] if words else row
        return {
            name: rows if self.tasks[name].output.level == "word" else np.stack(rows)
            for name, rows in gathered.items()
        }


def _readable(source: Input, examples: Sequence[Any] | Table) -> bool:
    if isinstance(examples, Table):
        return all(column in examples.columns for column in source.columns)
    first = examples[0]
    if isinstance(first, Mapping):
        return all(column in first for column in source.columns)
    return len(source.columns) == 1
