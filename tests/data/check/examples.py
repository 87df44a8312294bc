"""Small data sets for the tests of checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from polytask.data import DataSet, Table
from polytask.data.check import CheckReport, Finding, check
from polytask.data.inputs import Features, Text
from polytask.data.inputs.base import Input
from polytask.data.sources.columns import object_array
from polytask.tasks import Classification, Task
from polytask.tasks.outputs.base import Output


def table(columns: Mapping[str, Sequence[Any]], origin: str = "mail.csv") -> Table:
    return Table({name: _column(values) for name, values in columns.items()}, origin)


def _column(values: Sequence[Any]) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values
    numbers = all(isinstance(value, int | float) for value in values)
    return np.array(values) if numbers else object_array(values)


def data_set(made: Input, name: str = "mail", **splits: Mapping[str, Sequence[Any]]) -> DataSet:
    return DataSet(
        name, made, {split: table(columns, f"{split}.csv") for split, columns in splits.items()}
    )


def texts(**splits: Mapping[str, Sequence[Any]]) -> DataSet:
    return data_set(Text(column="text"), **splits)


def numbers(*names: str, **splits: Mapping[str, Sequence[Any]]) -> DataSet:
    return data_set(Features(numeric=names), **splits)


def task(name: str = "label", output: Output | None = None, **options: Any) -> Task:
    return Task(name=name, output=output or Classification(), **{"data": "mail", **options})


def report(data: DataSet, *tasks: Task, **options: Any) -> CheckReport:
    return check({data.name: data}, tasks or [task()], **options)


def found(result: CheckReport, kind: str, **place: Any) -> list[Finding]:
    """The findings of one check, of some place."""
    return [
        finding
        for finding in result.findings
        if finding.kind == kind
        and all(getattr(finding, name) == value for name, value in place.items())
    ]


def only(result: CheckReport, kind: str, **place: Any) -> Finding:
    chosen = found(result, kind, **place)
    assert len(chosen) == 1, [finding.message for finding in chosen]
    return chosen[0]
