"""Files of examples for a trained model, read as its recipe reads the files of its data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.data import Table
from polytask.data.sources import Source
from polytask.data.sources.build import build_source
from polytask.data.sources.files import existing
from polytask.data.sources.guess import guess_source
from polytask.data.sources.labelled_text import LabelledText
from polytask.data.sources.saved import as_in_training
from polytask.errors import InputError, unknown
from polytask.tasks import Classification, Ordinal
from polytask.tasks.outputs.labels import to_label
from polytask.training.model_folder import SavedModel

__all__ = ["RECIPE", "data_sets", "read_examples"]

RECIPE = "recipe"
"""Stands for the source of the recipe, whatever the ending of the file."""


def read_examples(
    file: Path,
    saved: SavedModel,
    *,
    tasks: Iterable[str] | None = None,
    data: str | None = None,
    source: str | Mapping[str, Any] | None = None,
    trust: bool = False,
) -> Table:
    """The examples in a file, folder or archive.

    Args:
        file: with targets or without.
        saved: the model.
        tasks: names of the tasks to predict; all by default.
        data: the data set whose files this one is like; needed if the tasks are on several, which
            are read in different ways.
        source: how the file is written: ``recipe``, or a source as recipes describe it. By default
            as in the recipe, unless the file has the ending of another format: a ``.csv`` is read
            as CSV also by a model that was trained on recordings.
        trust: the source may be the user's own code.

    Returns:
        A table with the columns that the model reads, and maybe others.

    Raises:
        InputError: the file is missing or cannot be read, lacks a column, or could be read in
            several ways.

    Example:
        >>> model = polytask.load("runs/fsdd")  # doctest: +SKIP
        >>> model.predict(read_examples(Path("new.zip"), model.saved))  # doctest: +SKIP
    """
    existing(file, folder=None)
    names = data_sets(saved, tasks=tasks, data=data)
    if source is not None and source != RECIPE:
        return _read(file, build_source(source, where="--format", trust=trust), saved, names)
    alike = _alike(file, saved, names, forced=source == RECIPE)
    spec = saved.sources[alike[0]].source if alike else {"type": guess_source(file)}
    made = build_source(spec, where=f"data.{(alike or names)[0]}.source", trust=trust)
    try:
        table = _read(file, made, saved, alike or names)
    except InputError as error:
        why = f"{spec['type']}, {'as in the recipe' if alike else 'by its ending'}"
        raise InputError(f"{error} (read as {why}; --format changes that)") from error
    if source is None:
        _check_labels(table, made, saved, alike)
    return table


def data_sets(
    saved: SavedModel, *, tasks: Iterable[str] | None = None, data: str | None = None
) -> list[str]:
    """The data sets that examples may be like: the one that is named, or those of the tasks.

    Raises:
        InputError: an unknown task or data set.
    """
    if data is not None and data not in saved.inputs:
        raise unknown("data set", data, saved.inputs)
    known = saved.model.tasks
    used = dict.fromkeys(known[name].data for name in (known if tasks is None else tasks))
    return list(used) if data is None else [data]


def _alike(file: Path, saved: SavedModel, names: Sequence[str], *, forced: bool) -> list[str]:
    """The data sets whose source may read the file; none if its ending tells another format."""
    found = [n for n in names if n in saved.sources and (forced or saved.sources[n].reads(file))]
    if forced and not found:
        raise InputError("the model does not tell how its files were written: name a source")
    if any(saved.sources[name].source != saved.sources[found[0]].source for name in found):
        raise InputError(
            f"{file}: the model reads the files of its data sets in different ways; tell which one "
            f"this file is like, with --data: {', '.join(found)}"
        )
    return found


def _read(file: Path, source: Source, saved: SavedModel, names: Sequence[str]) -> Table:
    like = as_in_training(saved.sources[name] for name in names if name in saved.sources)
    columns = {tuple(dict.fromkeys(saved.inputs[name].columns)) for name in names}
    if len(columns) > 1:
        return source.read(file, like=like)
    (needed,) = columns
    table = source.for_inputs(file, needed).read(file, like=like)
    for name in needed:
        table.column(name)
    return table


def _check_labels(table: Table, source: Source, saved: SavedModel, names: Sequence[str]) -> None:
    """Refuse texts without labels where each line begins with one: a word of each would be lost."""
    if not isinstance(source, LabelledText):
        return
    outputs = [task.output for name in names for task in saved.model.tasks.of_data(name)]
    known = {
        str(label)
        for output in outputs
        if isinstance(output, Classification | Ordinal)
        for label in output.classes or ()
    }
    for row, value in enumerate(table.column("label")):
        if known and str(to_label(value)) not in known:
            raise InputError(
                f"{table.place(row)}: {value!r} is no label that the model knows; if lines hold no "
                "labels: --format lines; if it is one: --format recipe"
            )
