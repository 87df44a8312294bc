"""MATLAB files of version 5 to 7."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.columns import fit
from polytask.data.sources.files import existing
from polytask.data.sources.kinds import at_rows
from polytask.data.table import Table
from polytask.errors import InputError, unknown

__all__ = ["Matlab"]


@dataclass(frozen=True, kw_only=True)
class Matlab(Source):
    """Read a MATLAB file (``.mat``, version 5 to 7) of matrices, or of cells with one per task.

    The features become the columns ``x0``, ``x1``, ...; the target becomes ``y``, or ``y0``,
    ``y1``, ... if it has several columns. With a cell per task the column ``task`` numbers the
    cells from 0. A column of whole numbers is ``int64``, whatever its class in MATLAB.

    Args:
        features: the variable with ``[n, d]`` features, or a cell of them per task. Default ``X``.
        target: the variable with ``[n, k]`` targets, or a cell of them per task; None for a file
            without targets. Default ``Y``.
        task: for matrices, the variable with the task of each row ``[n, 1]``. Default: none.

    Raises:
        InputError: on reading: not such a file, an unknown variable, features and target of
            different numbers of rows or cells, something else than numbers.

    Example:
        >>> Matlab(features="data", target="labels").target
        'labels'
    """

    features: str = "X"
    target: str | None = "Y"
    task: str | None = None

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        variables = _load(path)
        features = _matrices(variables, self.features, path)
        columns = {
            **_columns("x", np.concatenate(features), always=True),
            **self._target(variables, features, path),
            **self._task(variables, features, path),
        }
        place = at_rows(str(path))
        fitted = {name: fit(c, name, like=like, place=place) for name, c in columns.items()}
        return checked_table(fitted, str(path))

    def for_inputs(self, path: Path, columns: Collection[str]) -> Source:
        """Targets are not read, tasks only if they are needed; see `Source.for_inputs`."""
        return replace(self, target=None, task=self.task if "task" in columns else None)

    def _target(
        self, variables: dict[str, Any], features: Sequence[np.ndarray], path: Path
    ) -> dict[str, np.ndarray]:
        if self.target is None:
            return {}
        target = _matrices(variables, self.target, path)
        _check_rows(features, target, path)
        return _columns("y", np.concatenate(target), always=False)

    def _task(
        self, variables: dict[str, Any], features: Sequence[np.ndarray], path: Path
    ) -> dict[str, np.ndarray]:
        if variables[self.features].dtype == object:
            if self.task is not None:
                raise InputError(f"{path}: {self.features} has a cell per task; leave 'task' out")
            return {"task": np.repeat(np.arange(len(features)), [len(x) for x in features])}
        if self.task is None:
            return {}
        task = np.concatenate(_matrices(variables, self.task, path)).ravel()
        return {"task": _typed(task)}


def _load(path: Path) -> dict[str, Any]:
    import scipy.io

    try:
        variables = scipy.io.loadmat(str(path))
    except NotImplementedError as error:
        raise InputError(f"{path}: MATLAB 7.3 file; save it in MATLAB with '-v7'") from error
    except Exception as error:  # scipy fails in many ways on damaged files
        raise InputError(f"{path}: not a MATLAB file, or damaged: {error}") from error
    return {name: value for name, value in variables.items() if not name.startswith("__")}


def _matrices(variables: dict[str, Any], name: str, path: Path) -> list[np.ndarray]:
    """The matrices ``[n, d]`` of a variable, one per task."""
    if name not in variables:
        raise unknown("variable", name, variables, where=str(path))
    value = variables[name]
    if not isinstance(value, np.ndarray):
        raise InputError(f"{path}, variable {name!r}: expected a matrix or a cell array")
    cells = list(value.ravel()) if value.dtype == object else [value]
    for index, cell in enumerate(cells):
        numeric = isinstance(cell, np.ndarray) and cell.dtype.kind in "biuf"
        if not numeric or cell.ndim != 2 or cell.shape[1] != cells[0].shape[1]:
            wanted = "a full matrix of numbers, as wide as in the first cell"
            raise InputError(f"{path}, variable {name!r}, cell {index + 1}: expected {wanted}")
    return cells


def _check_rows(features: Sequence[np.ndarray], target: Sequence[np.ndarray], path: Path) -> None:
    if len(features) != len(target):
        raise InputError(f"{path}: {len(features)} cells of features, {len(target)} of targets")
    for index, (x, y) in enumerate(zip(features, target, strict=True)):
        if len(x) != len(y):
            raise InputError(f"{path}, cell {index + 1}: {len(x)} rows, but {len(y)} targets")


def _columns(prefix: str, matrix: np.ndarray, *, always: bool) -> dict[str, np.ndarray]:
    numbered = always or matrix.shape[1] != 1
    return {
        f"{prefix}{index}" if numbered else prefix: _typed(matrix[:, index])
        for index in range(matrix.shape[1])
    }


def _typed(values: np.ndarray) -> np.ndarray:
    """MATLAB stores doubles that happen to be whole as bytes, so only the values tell the type."""
    numbers = values.astype(np.float64)
    whole = np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()
    return numbers.astype(np.int64) if whole and np.abs(numbers).max(initial=0) < 2**53 else numbers
