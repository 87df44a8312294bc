"""What a column is like: its kind, how many values are missing, how many are different."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from polytask.data.check.values import count_values, present
from polytask.data.sources.kinds import Kind, kind_of
from polytask.tasks.outputs.labels import Label

__all__ = ["Column"]

SAMPLE = 2000
"""Cells that are looked at one by one."""

MOLECULE = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$/\\%.*:]+")
ATOMS = re.compile(r"(Cl|Br|[BCNOPSFIbcnops]|\[[^\]]+\]|[0-9=#()/\\.%@+\-])+")
DATE = re.compile(r"\d{4}-\d\d?-\d\d?([ T].*)?|\d\d?[./]\d\d?[./]\d{2,4}.*")


@dataclass(frozen=True)
class Column:
    """A column of all files of a data set.

    Args:
        name: of the column.
        values: ``[N, ...]`` its cells, those for training first.
    """

    name: str
    values: np.ndarray

    @cached_property
    def kind(self) -> Kind | None:
        """Numbers, text, lists or arrays; None if every cell is missing."""
        return kind_of(self.values)

    @cached_property
    def measured(self) -> int:
        """Number of cells that are not missing."""
        return int(present(self.values).sum())

    @property
    def has_missing(self) -> bool:
        """Whether some cell is missing."""
        return self.measured < len(self.values)

    @cached_property
    def counts(self) -> dict[Label, int]:
        """Distinct value -> how often it comes; for lists, of their items."""
        if self.kind in ("number", "text") and self.values.ndim == 1:
            return count_values(self.values)
        if self.kind in ("list of words", "list of numbers"):
            return count_values(item for cell in self.cells for item in cell)
        return {}

    @property
    def cells(self) -> np.ndarray:
        """The cells that are not missing."""
        return np.asarray(self.values[present(self.values)])

    @cached_property
    def sample(self) -> list[Any]:
        """Some cells that are not missing, spread over the column."""
        rows = np.flatnonzero(present(self.values))
        step = max(1, len(rows) // SAMPLE)
        return [self.values[row] for row in rows[::step]]

    @property
    def is_constant(self) -> bool:
        """Whether there are not two different values."""
        return self.kind is None or (self.kind in ("number", "text") and len(self.counts) < 2)

    @property
    def is_whole(self) -> bool:
        """Whether these are whole numbers."""
        return self.kind == "number" and all(isinstance(value, int) for value in self.counts)

    @property
    def is_binary(self) -> bool:
        """Whether these are 0 and 1."""
        return self.kind == "number" and set(self.counts) == {0, 1}

    @property
    def is_two_words(self) -> bool:
        """Whether these are two different words, such as yes and no, but not true and false."""
        words = {str(value).lower() for value in self.counts}
        return self.kind == "text" and len(words) == 2 and words != {"true", "false"}

    @property
    def distinct(self) -> int:
        """Number of different values."""
        return len(self.counts)

    @cached_property
    def words(self) -> float:
        """Mean number of words of a text or list."""
        lengths = [len(x.split()) if isinstance(x, str) else len(x) for x in self.sample]
        return sum(lengths) / max(1, len(lengths))

    @property
    def is_text(self) -> bool:
        """Whether these are texts: several words, and hardly one comes again."""
        several = self.kind == "text" and self.words >= 2
        return several and self.distinct > min(0.3 * self.measured, 1000)

    @property
    def is_molecule(self) -> bool:
        """Whether these are SMILES, by name and letters."""
        if self.kind != "text" or not all(MOLECULE.fullmatch(str(x)) for x in self.sample):
            return False
        named = "smiles" in self.name.lower()
        atoms = sum(ATOMS.fullmatch(x) is not None for x in self.sample)
        bonds = sum(bool(re.search(r"[()=]", x)) for x in self.sample)
        size = len(self.sample)
        return named or (atoms > 0.95 * size and bonds > 0.5 * size and self.distinct > 0.5 * size)

    @property
    def is_date(self) -> bool:
        """Whether these are dates."""
        return self.kind == "text" and all(DATE.fullmatch(str(x)) for x in self.sample)

    @property
    def lengths(self) -> np.ndarray:
        """``[N]`` number of items of each list, 0 where missing."""
        return np.array([len(x) if isinstance(x, list | tuple) else 0 for x in self.values])

    @property
    def rarest(self) -> int:
        """How often the rarest value comes."""
        return min(Counter(self.counts).values(), default=0)
