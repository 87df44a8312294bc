"""The data of a finished run, read again for a trained model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from polytask.data import Batch, Table, encode_split, evaluation_batches
from polytask.errors import InputError, unknown
from polytask.recipe import read_data, read_recipe
from polytask.recipe.data import make_source
from polytask.training.model_folder import SavedModel

__all__ = ["evaluation_splits"]


def evaluation_splits(
    run: Path, saved: SavedModel, *, split: str, files: Mapping[str, str], trust: bool = False
) -> Iterator[Iterable[Batch]]:
    """The batches of each data set, with the targets of the model's tasks.

    Args:
        run: the folder of the run.
        saved: its model.
        split: train, validation or test; ignored where ``files`` names the data set.
        files: data set -> file; if there is any, only these data sets are read.
        trust: the recipe may name the user's own code.

    Raises:
        InputError: an unknown data set, or data that cannot be read.
    """
    for name, table in _tables(run, split=split, files=files, trust=trust).items():
        tasks = [
            task
            for task in saved.model.tasks.of_data(name)
            if not files or task.target_column in table.columns
        ]
        if tasks:
            encoded = encode_split(
                name, table, saved.inputs[name], tasks, saved.model.backbone.text
            )
            yield evaluation_batches(encoded)


def _tables(run: Path, *, split: str, files: Mapping[str, str], trust: bool) -> dict[str, Table]:
    recipe, _ = read_recipe(run / "recipe.yaml")
    for name in files:
        if name not in recipe.data:
            raise unknown("data set", name, recipe.data, where="--data")
    data = read_data(recipe, folder=_recipe_folder(run), trust=trust)
    if not files:
        return {name: one.tables[split] for name, one in data.items() if split in one.tables}
    return {
        name: make_source(name, recipe.data[name], trust=trust).read(
            Path(file), like=data[name].tables["train"]
        )
        for name, file in files.items()
    }


def _recipe_folder(run: Path) -> Path:
    """Where the relative paths of the recipe started from."""
    file = run / "environment.json"
    try:
        return Path(json.loads(file.read_text(encoding="utf-8"))["recipe_folder"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
