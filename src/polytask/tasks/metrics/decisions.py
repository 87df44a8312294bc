"""The class that was predicted for every target, of examples or of words.

Shapes: N examples, M targets, O classes that can be predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polytask.tasks.metrics.base import Evidence

__all__ = ["UNSCORED", "Decisions", "decide"]

UNSCORED = -1
"""The predicted class of a word for which the model gave no scores: never right."""


@dataclass(frozen=True)
class Decisions:
    """Predicted and true class of every target.

    An example has as many words as targets: scores beyond them are left out (a row that was not
    measured has no targets), words beyond the scores (cut off by the model) are `UNSCORED`.

    Args:
        example: ``[M]`` position of the example in the evidence.
        predicted: ``[M]`` the class with the highest score; `UNSCORED` where there is none.
        target: ``[M]`` the true class; at least O where training does not have the label.
        confidence: ``[M]`` the score of the predicted class; 0 where there is none.
        mask: ``[M]`` true where the target was measured.
    """

    example: np.ndarray
    predicted: np.ndarray
    target: np.ndarray
    confidence: np.ndarray
    mask: np.ndarray

    def measured(self) -> Decisions:
        """Only the targets that were measured."""
        fields = (self.example, self.predicted, self.target, self.confidence, self.mask)
        return Decisions(*(values[self.mask] for values in fields))


def decide(evidence: Evidence) -> Decisions:
    """The decisions of the evidence, in the order of its examples and words."""
    if not isinstance(evidence.scores, np.ndarray):
        return _decide_words(evidence.scores, evidence)
    scores = evidence.scores
    rows, targets, mask = (np.asarray(x) for x in (evidence.ids, evidence.targets, evidence.mask))
    return Decisions(
        np.arange(len(rows)), scores.argmax(axis=-1), targets, scores.max(axis=-1), mask
    )


def _decide_words(scores: Sequence[np.ndarray], evidence: Evidence) -> Decisions:
    lengths = [len(row) for row in evidence.targets]
    pairs = list(zip(scores, lengths, strict=True))
    return Decisions(
        example=np.repeat(np.arange(len(lengths)), lengths),
        predicted=_joined([_fit(s.argmax(axis=-1), n, UNSCORED) for s, n in pairs], np.int64),
        target=_joined(evidence.targets, np.int64),
        confidence=_joined([_fit(s.max(axis=-1), n, 0) for s, n in pairs], np.float64),
        mask=_joined(evidence.mask, np.bool_),
    )


def _fit(values: np.ndarray, length: int, fill: int) -> np.ndarray:
    """The values cut or filled up to a length."""
    missing = max(0, length - len(values))
    return np.pad(values[:length], (0, missing), constant_values=fill)


def _joined(rows: Sequence[np.ndarray] | np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *rows]).astype(dtype)
