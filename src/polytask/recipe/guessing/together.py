"""Several data sets for one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from polytask.errors import InputError
from polytask.recipe.guessing.data_set import GuessedData
from polytask.recipe.guessing.groups import data_name

__all__ = ["check_one_backbone", "named_apart"]


def named_apart(data: Sequence[GuessedData]) -> list[GuessedData]:
    """Data sets of one name (``ner/train.txt`` and ``pos/train.txt``) get that of their folder."""
    names = [one.name for one in data]
    found: list[GuessedData] = []
    for one in data:
        if names.count(one.name) > 1:
            first = one.table.group.first.absolute()
            one = replace(one, name=data_name(f"{first.parent.parent.name}_{first.parent.name}"))
        while one.name in {other.name for other in found}:
            one = replace(one, name=f"{one.name}_2")
        found.append(one)
    return found


def check_one_backbone(data: Sequence[GuessedData]) -> None:
    """Refuse data sets that one backbone cannot read.

    Raises:
        InputError: names two of them.
    """
    first = data[0]
    for other in data[1:]:
        kinds = {one.inputs.modality.replace("words", "text") for one in (first, other)}
        same = first.inputs.columns == other.inputs.columns
        if len(kinds) > 1 or (kinds == {"features"} and not same):
            raise InputError(
                f"one model cannot read both {first.table.group.first} "
                f"({first.inputs.modality}: {', '.join(first.inputs.columns[:5])}) and "
                f"{other.table.group.first} ({other.inputs.modality}: "
                f"{', '.join(other.inputs.columns[:5])}); make a recipe for each"
            )
