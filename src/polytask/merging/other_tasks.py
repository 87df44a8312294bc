"""Models of polytask with other tasks: what all have is merged, a task of some keeps its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from polytask.errors import InputError
from polytask.merging.adapters.heads import Head, HeadChoice
from polytask.merging.opened_models import Input
from polytask.merging.sources.checkpoint import Checkpoint
from polytask.merging.sources.locate import read_json
from polytask.merging.sources.subset import Subset

__all__ = ["Apart", "apart"]

HEAD = "heads.{}_head."
"""How the names of the tensors of a task begin."""

JOINED = ("tasks", "inputs", "sources")
"""Parts of a description of which the result has those of all models."""


@dataclass(frozen=True)
class Apart:
    """Inputs that have the same tensors, and what only some of them had.

    Args:
        inputs: the base, if there is one, and the models.
        heads: name and tensor; those of the base only of tasks that no model has.
    """

    inputs: Sequence[Input]
    heads: Sequence[tuple[str, Head]]


def apart(inputs: Sequence[Input], *, base: bool, choice: HeadChoice) -> Apart:
    """Take the heads of tasks that not all models have from models of polytask.

    Args:
        inputs: the base, if there is one, and the models; others than models of polytask, or with
            the same tasks, stay as they are.
        base: whether the first one is the base.
        choice: ``skip`` leaves these tasks out.

    Raises:
        InputError: the models differ in something else than their tasks, or describe a task, or
            the inputs of a data set, differently, or no task would be left.
    """
    if not all(_is_model(one) for one in inputs):
        return Apart(inputs, [])
    described = {one.location.path: _description(one) for one in inputs}
    tasks = [{*_named(one, "tasks")} for one in described.values()]
    some = {task for has in tasks for task in has if not all(task in other for other in tasks)}
    if not some:
        return Apart(inputs, [])
    kept = set() if choice == "skip" else some
    if choice == "skip" and some == set().union(*tasks):
        raise InputError("heads='skip': no task is one of all models: none would be left")
    joined = _joined(described, without=some - kept)
    beginnings = tuple(HEAD.format(task) for task in some)
    sources = [Subset(one.source, _without(one, beginnings)) for one in inputs]
    heads = _heads(inputs[base:], beginnings)
    known = {name for name, _ in heads}
    heads += [pair for pair in _heads(inputs[:base], beginnings) if pair[0] not in known]
    found = [replace(one, source=source) for one, source in zip(inputs, sources, strict=True)]
    return Apart([replace(found[0], description=joined), *found[1:]], heads if kept else [])


def _is_model(one: Input) -> bool:
    """Whether an input is a model of polytask, and nothing was done with it."""
    return one.location.layout == "polytask" and isinstance(one.source, Checkpoint)


def _description(one: Input) -> dict[str, Any]:
    """What ``model.json`` says.

    Raises:
        InputError: it is no description of a model.
    """
    file = one.location.folder / "model.json"
    found = read_json(file)
    tasks = found.get("tasks") if isinstance(found, dict) else None
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("name"), str) and "data" in task
        for task in tasks
    ):
        raise InputError(f"{file}: describes no tasks")
    for part in ("inputs", "sources"):
        if not isinstance(found.get(part, {}), dict):
            raise InputError(f"{file}: {part} is no mapping")
    return dict(found)


def _heads(inputs: Sequence[Input], beginnings: tuple[str, ...]) -> list[tuple[str, Head]]:
    return [
        (name, Head(one.source, name))
        for one in inputs
        for name in one.source.entries
        if name.startswith(beginnings)
    ]


def _without(one: Input, beginnings: tuple[str, ...]) -> set[str]:
    return {name for name in one.source.entries if not name.startswith(beginnings)}


def _named(description: Mapping[str, Any], part: str) -> dict[str, Any]:
    """What a description says of tasks or data sets, by their names."""
    found = description.get(part, {})
    return {task["name"]: task for task in found} if part == "tasks" else found


def _joined(described: Mapping[Any, Mapping[str, Any]], without: set[str]) -> dict[str, Any]:
    """One description of all tasks.

    Args:
        described: path of a model -> what its ``model.json`` says.
        without: tasks that are left out.
    """
    (first, start), *others = described.items()
    joined: dict[str, Any] = {part: dict(_named(start, part)) for part in JOINED}
    for path, description in others:
        for key in sorted({*start, *description} - {*JOINED}):
            if start.get(key) != description.get(key):
                raise InputError(f"{path}: its {key} differs from that of {first}")
        for part in JOINED:
            for name, value in _named(description, part).items():
                if joined[part].setdefault(name, value) != value:
                    raise InputError(f"{path}: {name!r} differs from that of {first} in {part}")
    tasks = [task for name, task in joined["tasks"].items() if name not in without]
    read = {task["data"] for task in tasks}
    for part in ("inputs", "sources"):
        joined[part] = {name: value for name, value in joined[part].items() if name in read}
    return {**start, **joined, "tasks": tasks}
