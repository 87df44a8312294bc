"""Which rows train, which choose, which judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from polytask.data.allotment import by_group, by_stratum, shares
from polytask.data.table import Table
from polytask.errors import InputError, unknown
from polytask.randomness import seeded

__all__ = ["SPLITS", "Split"]

SPLITS = ("train", "validation", "test")
"""The names of the splits."""
REST = "*"
"""Stands for all values of the split column that no split names."""
Value = str | int | float
"""A value of the split column."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """How rows of one table are told apart into train, validation and test.

    Either by a column, or at random by fractions.

    Args:
        fractions: split -> share of the rows; the shares must add up to 1.
        seed: of the random assignment.
        stratify: a column whose values get the same shares in every split, to within one row.
        group: a column whose equal values never fall on two sides; the shares of the rows are as
            near to the fractions as the groups allow, and every split gets a group. Missing values
            are one group.
        column: a column that tells the split of each row.
        values: split -> the value or values in that column, or ``*`` for all that no other split
            names; the split's own name by default.

    Raises:
        InputError: both ways or neither are given, the fractions do not add up to 1, a split name
            is unknown, two splits have one value, or an option does not belong to the chosen way.
    """

    fractions: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    stratify: str | None = None
    group: str | None = None
    column: str | None = None
    values: Mapping[str, Value | Sequence[Value]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.fractions) == (self.column is not None):
            raise InputError("split: give either fractions or a column")
        for name in (*self.fractions, *self.values):
            if name not in SPLITS:
                raise unknown("split", name, SPLITS, where="split")
        if self.fractions:
            self._check_fractions()
        else:
            self._check_column()

    def _check_fractions(self) -> None:
        if not all(0 <= share <= 1 for share in self.fractions.values()):
            raise InputError(f"split: fractions must be in [0, 1], got {dict(self.fractions)}")
        if abs(sum(self.fractions.values()) - 1) > 1e-6:
            total = sum(self.fractions.values())
            raise InputError(f"split: fractions add up to {total:g}, not to 1")
        if self.stratify and self.group:
            raise InputError("split: stratify and group exclude each other")
        if self.values:
            raise InputError("split: values need a column")

    def _check_column(self) -> None:
        if self.stratify or self.group:
            raise InputError("split: stratify and group need fractions, not a column")
        wanted = [value for name in SPLITS for value in self._wanted(name)]
        if len(set(wanted)) < len(wanted):
            raise InputError(f"split: two splits have the same value: {wanted}")

    def apply(self, table: Table) -> dict[str, Table]:
        """Split name -> its rows, in their original order.

        Raises:
            InputError: a column is absent, a value in the split column belongs to no split, there
                are fewer groups than splits, or a split that was asked for gets no row.
        """
        assigned = self._by_column(table) if self.column else self._at_random(table)
        rows = {name: np.flatnonzero(assigned == name) for name in SPLITS}
        for name in SPLITS:
            if not len(rows[name]) and (self.fractions.get(name, 0) > 0 or name in self.values):
                raise InputError(f"{table.origin}: split {name!r} gets none of {len(table)} rows")
        return {name: table.take(chosen) for name, chosen in rows.items() if len(chosen)}

    def _wanted(self, split: str) -> list[str]:
        """The values in the column that belong to a split."""
        given = self.values.get(split, split)
        return [_text(value) for value in ([given] if isinstance(given, Value) else given)]

    def _by_column(self, table: Table) -> np.ndarray:
        names = {value: name for name in SPLITS for value in self._wanted(name)}
        rest = names.pop(REST, None)
        values = [_text(value) for value in table.column(str(self.column))]
        for row, value in enumerate(values):
            if rest is None and value not in names:
                raise InputError(
                    f"{table.place(row)}: column {self.column!r} is {value!r}, "
                    f"expected one of {list(names)}"
                )
        return np.array([names.get(value, rest) for value in values], dtype=object)

    def _at_random(self, table: Table) -> np.ndarray:
        # Not default_rng(seed): a file may have been shuffled with just that.
        rng = seeded(self.seed, "split")
        if self.group:
            return by_group(self._groups(table, self.group), self.fractions, rng)
        if self.stratify:
            return by_stratum(_codes(table.column(self.stratify)), self.fractions, rng)
        return shares(rng.permutation(len(table)), self.fractions)

    def _groups(self, table: Table, column: str) -> np.ndarray:
        """``[N]`` the group of each row."""
        codes = _codes(table.column(column))
        wanted = [name for name, share in self.fractions.items() if share > 0]
        found = len(set(codes.tolist()))
        if found < len(wanted):
            raise InputError(
                f"{table.origin}: column {column!r} has {found} group{'s' if found > 1 else ''}, "
                f"but {len(wanted)} splits ({', '.join(wanted)}) need one each"
            )
        return codes


def _codes(values: np.ndarray) -> np.ndarray:
    """The number of each row's value among the distinct values."""
    texts = [_text(value) for value in values]
    number = {value: index for index, value in enumerate(sorted(set(texts)))}
    return np.array([number[value] for value in texts], dtype=np.int64)


def _text(value: object) -> str:
    """A value as text; a whole number is written alike in a column of integers and of floats."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)  # type: ignore[call-overload]
