"""The tasks that a recipe names, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from polytask.data import DataSet
from polytask.errors import InputError, unknown
from polytask.recipe.schema import Recipe, TaskSpec
from polytask.tasks import OUTPUTS, Task
from polytask.tasks.outputs.labels import find_classes

__all__ = ["expand_tasks"]


def expand_tasks(recipe: Recipe, data: Mapping[str, DataSet], *, trust: bool = False) -> list[Task]:
    """The tasks of a recipe; a key with ``columns`` or ``by`` gives several.

    Raises:
        InputError: an unknown data set or column, or a key that does not tell its tasks apart.
    """
    return [task for key, spec in recipe.tasks.items() for task in _expand(key, spec, data, trust)]


def _expand(key: str, spec: TaskSpec, data: Mapping[str, DataSet], trust: bool) -> Iterator[Task]:
    where = f"tasks.{key}"
    name = _data_name(spec, data, where)
    if spec.columns and spec.by:
        raise InputError(f"{where}: columns and by exclude each other")
    if spec.columns:
        for column in spec.columns:
            yield _task(_fill(key, "column", column, where), spec, name, trust, target=column)
    elif spec.by:
        values = find_classes(data[name].tables["train"].column(spec.by), where=f"{where}.by")
        for value in values:
            narrowed = {**spec.where, spec.by: value}
            yield _task(_fill(key, "value", value, where), spec, name, trust, where=narrowed)
    else:
        yield _task(key, spec, name, trust)


def _task(
    key: str,
    spec: TaskSpec,
    data: str,
    trust: bool,
    *,
    target: str | None = None,
    where: Mapping[str, str | int | float] | None = None,
) -> Task:
    return Task(
        name=key,
        output=OUTPUTS.build(spec.output, where=f"tasks.{key}.output", trust=trust),
        data=data,
        target=target or spec.target,
        where=spec.where if where is None else where,
        weight=spec.weight,
        example_weight=spec.example_weight,
        head=spec.head,
        learning_rate=spec.learning_rate,
        depends_on=spec.depends_on,
    )


def _data_name(spec: TaskSpec, data: Mapping[str, DataSet], where: str) -> str:
    if spec.data is None and len(data) > 1:
        raise InputError(f"{where}.data: name one of the data sets {list(data)}")
    name = spec.data or next(iter(data))
    if name not in data:
        raise unknown("data set", name, data, where=f"{where}.data")
    return name


def _fill(key: str, field: str, value: object, where: str) -> str:
    if f"{{{field}}}" not in key:
        raise InputError(f"{where}: several tasks of one key need {{{field}}} in the key")
    return key.replace(f"{{{field}}}", str(value))
