"""A data set of the recipe: its input, its targets, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polytask.data.check.groups import looks_like_group
from polytask.errors import InputError
from polytask.recipe.guessing.column import Column
from polytask.recipe.guessing.groups import FileGroup
from polytask.recipe.guessing.inputs import Inputs, find_media, table_inputs
from polytask.recipe.guessing.left_out import why_left_out
from polytask.recipe.guessing.outputs import has_classes
from polytask.recipe.guessing.outputs_of import alike, guess_outputs
from polytask.recipe.guessing.splits import split_column
from polytask.recipe.guessing.table import GuessedTable, read_group
from polytask.recipe.guessing.targets import targets_of_media, targets_of_table

__all__ = ["GuessedData", "guess_data"]


@dataclass(frozen=True)
class GuessedData:
    """A data set of the recipe.

    Args:
        name: of the data set.
        table: its files and columns.
        inputs: what the model sees.
        outputs: target column -> output, as a recipe writes it.
        reason: why these are the targets.
        left_out: column -> why it is neither input nor target.
        by: a column that tells tasks with one target apart.
        group: a column whose values belong together.
    """

    name: str
    table: GuessedTable
    inputs: Inputs
    outputs: Mapping[str, dict[str, Any]]
    reason: str
    left_out: Mapping[str, str]
    by: str | None = None
    group: str | None = None


def guess_data(group: FileGroup) -> GuessedData:
    """Read the files of a data set, and find input and targets.

    Raises:
        InputError: a file is missing, empty, or cannot be read; there is no input, or no target.
    """
    table = read_group(group)
    columns = dict(table.columns)
    left = {name: why for name, c in columns.items() if (why := why_left_out(c))}
    if table.training_rows is None and (told := split_column(columns)):
        left[told] = "it tells the split"
    people = [n for n in columns if looks_like_group(n) and n not in left]
    media = find_media(
        {n: c for n, c in columns.items() if left.get(n) in (None, "the same everywhere")}
    )
    free = [c for n, c in columns.items() if n not in left]
    if media is not None:
        return _of_media(table, media, [c for c in free if c.name not in media.columns], left)
    by = "task" if "task" in columns and table.source.options["type"] == "matlab" else None
    owner = next((n for n in people if columns[n].distinct * 2 <= table.rows), None)
    aside = {name: "it tells tasks apart" for name in (by,) if name}
    aside |= {name: "it tells whose rows belong together" for name in (owner,) if name}
    free = [column for column in free if column.name not in aside]
    return _of_table(table, free, {**left, **aside}, by=by, group=owner)


def _of_media(
    table: GuessedTable, inputs: Inputs, others: Sequence[Column], left: Mapping[str, str]
) -> GuessedData:
    outputs = guess_outputs(others, table, inputs)
    chosen, reason = targets_of_media(
        others,
        lambda column: has_classes(column) or column.kind not in ("number", "text"),
        lambda column: column.name in outputs,
    )
    return _finish(table, inputs, chosen, outputs, reason, left)


def _of_table(
    table: GuessedTable,
    free: Sequence[Column],
    left: Mapping[str, str],
    *,
    by: str | None,
    group: str | None,
) -> GuessedData:
    outputs = guess_outputs(free, table, None)
    chosen, reason = targets_of_table(free, lambda column: column.name in outputs)
    names = {column.name for column in chosen}
    inputs = table_inputs([column for column in free if column.name not in names])
    if inputs is None:
        raise _no_target(table, "no column is left that could be an input")
    return _finish(table, inputs, chosen, outputs, reason, left, by=by, group=group)


def _finish(
    table: GuessedTable,
    inputs: Inputs,
    chosen: Sequence[Column],
    outputs: Mapping[str, dict[str, Any]],
    reason: str,
    left: Mapping[str, str],
    *,
    by: str | None = None,
    group: str | None = None,
) -> GuessedData:
    if not chosen:
        raise _no_target(table, "no column could be a target")
    used = {*inputs.columns, *(column.name for column in chosen)}
    unused = {name: "neither input nor target" for name in table.columns if name not in used}
    return GuessedData(
        name=table.group.name,
        table=table,
        inputs=inputs,
        outputs=alike(chosen, outputs),
        reason=reason,
        left_out={**unused, **{name: why for name, why in left.items() if name not in used}},
        by=by,
        group=group,
    )


def _no_target(table: GuessedTable, problem: str) -> InputError:
    shown = list(table.columns)[:20]
    columns = ", ".join(f"{name} ({table.columns[name].kind or 'empty'})" for name in shown)
    more = f", ... ({len(table.columns)} in all)" if len(table.columns) > len(shown) else ""
    return InputError(
        f"{table.group.first}: {problem}; the columns are: {columns}{more}. A target has a few "
        "different values, or numbers. Rename the column to target (or label), or write the recipe "
        "by hand, with tasks: {name: {output: classification, target: its column}}"
    )
