"""The outputs of all columns of a data set that could be targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polytask.recipe.guessing.column import Column
from polytask.recipe.guessing.inputs import Inputs
from polytask.recipe.guessing.outputs import guess_output
from polytask.recipe.guessing.table import GuessedTable

__all__ = ["alike", "guess_outputs"]


def guess_outputs(
    columns: Sequence[Column], table: GuessedTable, inputs: Inputs | None
) -> dict[str, dict[str, Any]]:
    """Column -> output, for the columns that could be a target."""
    is_words = inputs is not None and inputs.modality == "words"
    words = table.columns[inputs.columns[0]] if inputs is not None and is_words else None
    found = {
        column.name: guess_output(column, words, training_rows=table.training_rows)
        for column in columns
    }
    return {name: output for name, output in found.items() if output is not None}


def alike(
    chosen: Sequence[Column], outputs: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The outputs of the targets; if AUROC fits one of several yes-or-no tasks, all have it."""
    found = {column.name: outputs[column.name] for column in chosen}
    pairs = [
        c.name for c in chosen if c.distinct == 2 and found[c.name]["type"] == "classification"
    ]
    if len(pairs) > 2 and any("primary" in found[name] for name in pairs):
        found |= {name: {**found[name], "primary": "auroc"} for name in pairs}
    return found
