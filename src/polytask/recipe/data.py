"""The data sets that a recipe names, as they are read from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data import INPUTS, DataSet, Table, read_splits
from polytask.data.sources import Source
from polytask.data.sources.build import build_source
from polytask.errors import InputError
from polytask.recipe.schema import DataSpec, Recipe

__all__ = ["make_source", "read_data", "read_unfitted", "shapes_of"]


def read_data(recipe: Recipe, *, folder: Path = Path(), trust: bool = False) -> dict[str, DataSet]:
    """The data sets of a recipe, with fitted inputs.

    Raises:
        InputError: a file or an option is wrong.
    """
    return {
        name: replace(data, input=data.input.fit(data.tables["train"]))
        for name, data in read_unfitted(recipe, folder=folder, trust=trust).items()
    }


def read_unfitted(
    recipe: Recipe, *, folder: Path = Path(), trust: bool = False
) -> dict[str, DataSet]:
    """The data sets of a recipe, whose inputs have not looked at the training split yet.

    Raises:
        InputError: a file or an option is wrong.
    """
    return {name: _read(name, spec, folder, trust) for name, spec in recipe.data.items()}


def make_source(name: str, spec: DataSpec, *, trust: bool = False) -> Source:
    """What reads the files of the data set of that name.

    Raises:
        InputError: an unknown source or option, or the user's own code without ``trust``.
    """
    return build_source(spec.source, where=f"data.{name}.source", trust=trust)


def shapes_of(data: Mapping[str, DataSet]) -> Mapping[str, Any]:
    """What a backbone must know of the fields; the same for every data set.

    Raises:
        InputError: two data sets give different fields.
    """
    (first_name, first), *others = [(name, one.input.shapes()) for name, one in data.items()]
    for name, shapes in others:
        if shapes != first:
            raise InputError(
                f"one backbone cannot read both: data {first_name!r} gives {first}, "
                f"{name!r} gives {shapes}"
            )
    return first


def _read(name: str, spec: DataSpec, folder: Path, trust: bool) -> DataSet:
    source = make_source(name, spec, trust=trust)
    made = INPUTS.build(spec.input, where=f"data.{name}.input", trust=trust)
    tables = read_splits(source, spec.files, split=spec.split, folder=folder)
    if spec.limit is not None:
        tables = {split: _limited(table, spec.limit) for split, table in tables.items()}
    return DataSet(name, made, tables)


def _limited(table: Table, limit: int) -> Table:
    """At most so many rows, spread evenly over the table."""
    if len(table) <= limit:
        return table
    return table.take(np.linspace(0, len(table) - 1, limit).round().astype(int))
