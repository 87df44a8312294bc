"""What a backbone gives to sharing modules and heads.

Shapes: B rows of a batch, R rows that carry a task, W words, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from polytask.errors import InputError

__all__ = ["Features"]


@dataclass(frozen=True)
class Features:
    """Features of a batch at the levels at which tasks can be predicted.

    Args:
        example: ``[B, D]`` one vector per example.
        words: ``[B, W, D]`` one vector per word, if the backbone reads words.
    """

    example: Tensor
    words: Tensor | None = None

    def take(self, rows: Tensor | None) -> Features:
        """The features of some rows ``[R]``; of all rows for None."""
        if rows is None:
            return self
        return Features(self.example[rows], None if self.words is None else self.words[rows])

    @property
    def tensors(self) -> list[Tensor]:
        """The features of every level that there is."""
        return [self.example] if self.words is None else [self.example, self.words]

    def at(self, level: Literal["example", "word"]) -> Tensor:
        """The features of a level: ``[B, D]`` or ``[B, W, D]``.

        Raises:
            InputError: a task of words on an input that is not split into words.
        """
        if level == "example":
            return self.example
        if self.words is None:
            raise InputError(
                "a task of words needs an input that is split into words (input type 'words')"
            )
        return self.words
