"""A first recipe for data files: columns, types and tasks are guessed, and every guess is said."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polytask.data import SPLITS
from polytask.recipe.guessing.data_set import GuessedData, guess_data
from polytask.recipe.guessing.groups import group_files
from polytask.recipe.guessing.model import guess_backbone, guess_batch, guess_training
from polytask.recipe.guessing.splits import guess_split
from polytask.recipe.guessing.tasks import count_tasks, task_entries
from polytask.recipe.guessing.together import check_one_backbone, named_apart
from polytask.recipe.guessing.yaml_text import Entry, write

__all__ = ["guess_recipe"]

MANY = 20
"""Tasks from which training each of them alone takes long."""

CLIMB = 3
"""Folders that a relative path may climb before an absolute one is easier to read."""


def guess_recipe(paths: Sequence[Path], *, name: str | None = None, folder: Path = Path()) -> str:
    """A commented recipe, as YAML, for some data files.

    Files that differ in the name of a split only (``train.tsv``, ``dev.tsv``) are one data set;
    other files are data sets of their own, which one model learns from.

    Args:
        paths: data files, or folders of them.
        name: of the recipe; that of the first data set by default.
        folder: where the recipe will be; file names are written relative to it.

    Raises:
        InputError: a file is missing, empty, or nothing that a source reads; no column could be a
            target (it lists the columns and says what to write); or the files need different
            backbones.
    """
    data = [guess_data(group) for group in group_files([Path(path) for path in paths])]
    data = named_apart(data)
    check_one_backbone(data)
    backbone, hint = guess_backbone(data)
    tasks = count_tasks(data)
    entries = [
        Entry("name", name or data[0].name, _opening(data, tasks)),
        Entry("description", _description(data, tasks)),
        Entry("data", [_data_entry(one, folder) for one in data], blank=True),
        Entry("tasks", task_entries(data), blank=True),
        Entry("model", [Entry("backbone", backbone, [hint])], blank=True),
        Entry("batch", guess_batch(data), blank=True),
        Entry("training", [Entry(k, v) for k, v in guess_training(data).items()], blank=True),
        Entry("seeds", [0], ["With three seeds, [0, 1, 2], the intervals mean more."], blank=True),
        _baselines(tasks),
        Entry("smoke", {"training.epochs": 1, "seeds": [0]}, ["For a short trial with --smoke."]),
    ]
    return write(entries)


def _opening(data: Sequence[GuessedData], tasks: int) -> list[str]:
    rows = sum(one.table.rows for one in data)
    return [
        f"Guessed from {rows:,} rows in {len(data)} data set{'s' if len(data) > 1 else ''}: "
        f"{tasks} task{'s' if tasks > 1 else ''}. Read every line, correct what is wrong, then: "
        "polytask check, polytask train."
    ]


def _description(data: Sequence[GuessedData], tasks: int) -> str:
    files = ", ".join(one.name for one in data[:5])
    more = f" and {len(data) - 5} more data sets" if len(data) > 5 else ""
    return f"{tasks} task{'s' if tasks > 1 else ''} from {files}{more}."


def _data_entry(one: GuessedData, folder: Path) -> Entry:
    columns, rows = one.table.columns, one.table.rows
    given = {split for split in one.table.group.files if split}
    split, said = guess_split(columns, given, rows=rows, group=one.group)
    source = one.table.source
    options = source.options if len(source.options) > 1 else source.options["type"]
    entries = [Entry("source", options, source.comments), Entry("files", _files(one, folder))]
    if split is not None:
        entries.append(Entry("split", split, said))
    entries.append(Entry("input", one.inputs.options, [*one.inputs.comments, *_unused(one)]))
    return Entry(one.name, entries, [f"{rows:,} rows, {len(columns):,} columns."])


def _unused(one: GuessedData) -> list[str]:
    if not one.left_out:
        return []
    reasons: dict[str, list[str]] = {}
    for column, why in one.left_out.items():
        reasons.setdefault(why, []).append(column)
    said = "; ".join(f"{', '.join(columns)} ({why})" for why, columns in reasons.items())
    return [f"Left out: {said}."]


def _files(one: GuessedData, folder: Path) -> Any:
    named = {
        split: [_path(file, folder) for file in files]
        for split, files in one.table.group.files.items()
    }
    short = {split: found[0] if len(found) == 1 else found for split, found in named.items()}
    return short.get("") or [Entry(split, short[split]) for split in SPLITS if split in short]


def _path(file: Path, folder: Path) -> str:
    relative = Path(os.path.relpath(file.absolute(), folder.absolute()))
    climbs = sum(part == ".." for part in relative.parts)
    return (relative if climbs <= CLIMB else file.absolute()).as_posix()


def _baselines(tasks: int) -> Entry:
    value = "single_task" if 1 < tasks <= MANY else "none"
    comment = (
        "single_task also trains a model for each task alone, to tell which tasks gain from "
        f"sharing and which are hurt; {tasks} tasks then take about {tasks + 1} times as long."
        if tasks > 1
        else "With one task there is nothing to compare: add tasks above."
    )
    return Entry("baselines", value, [comment])
