"""One tag per word of an example, plain or marking entities.

Shapes: N rows of a data set, R rows of a batch, W words, O tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from polytask.errors import InputError
from polytask.fields import Targets
from polytask.tasks.metrics import (
    Accuracy,
    CalibrationError,
    EntityF1,
    EntityPrecision,
    EntityRecall,
    MacroF1,
    Metric,
    Rows,
)
from polytask.tasks.outputs.base import Output, Place
from polytask.tasks.outputs.class_weights import ClassWeights, fit_class_weights, weigh
from polytask.tasks.outputs.labels import Label, Unknown, choose_classes, find_classes
from polytask.tasks.outputs.options import check_choice, not_fitted
from polytask.tasks.outputs.tags import check_tags, encode_tags, tag_rows, unseen_tags

__all__ = ["Tagging"]

Scheme = Literal["plain", "bio", "iob1", "iob2", "bioes"]


@dataclass(frozen=True, kw_only=True)
class Tagging(Output):
    """One tag per word of an example (cross-entropy per word).

    The target column holds a list of tags per row; a tag that is None or "" and a row that is None
    were not measured.

    Args:
        scheme: ``plain`` tags (default), or how tags mark entities: ``bio`` (also called ``iob2``),
            ``iob1`` or ``bioes``, with tags such as ``B-city`` and ``O``.
        classes: the tags, in the order of the logits; found in the training split by default.
        class_weights: tag -> weight of its words in the loss, ``"balanced"``, or none, as in
            `Classification`.
        unknown: a tag of another split that training does not have is an ``error`` (default), or
            ``wrong``: no loss learns from it and every metric counts it as missed; entities keep
            their boundaries, entities of types that training does not have are all of one type.
        primary: ``accuracy`` (per word) or ``macro_f1``; for entity schemes also ``f1``,
            ``precision`` and ``recall`` of entities. The default is ``f1``, ``accuracy`` for plain.

    Raises:
        InputError: fewer than two tags in training, a tag that is not of the scheme, a cell that is
            no list, or a tag that training does not have.

    Example:
        >>> column = np.array([["B-city", "O"], None], dtype=object)
        >>> Tagging(scheme="bio").fit(column, where="a.conll").classes
        ('B-city', 'O')
    """

    level: ClassVar[Literal["example", "word"]] = "word"

    scheme: Scheme = "plain"
    classes: tuple[Label, ...] | None = None
    class_weights: ClassWeights = None
    unknown: Unknown = "error"

    def __post_init__(self) -> None:
        check_choice("scheme", self.scheme, get_args(Scheme))
        check_choice("choice for unknown", self.unknown, get_args(Unknown))

    def fit(self, values: np.ndarray, *, where: str) -> Self:
        rows = tag_rows(values, lambda row: f"{where}, row {row + 1}")
        found = find_classes((tag for row in rows for tag in row), where=where)
        if len(found) < 2:
            raise InputError(f"{where}: needs two tags in training, found {list(found)}")
        classes = choose_classes(self.classes, found, where=where)
        if self.scheme != "plain":
            check_tags(classes, self.scheme, where=where)
        weights = fit_class_weights(self.class_weights, classes, found, where=where)
        return replace(self, classes=classes, class_weights=weights)

    @property
    def size(self) -> int:
        return len(self._classes)

    @property
    def _classes(self) -> tuple[Label, ...]:
        if self.classes is None:
            raise not_fitted(self)
        return self.classes

    def encode(self, values: np.ndarray, place: Place) -> Targets:
        unseen = unseen_tags(self._classes, self.scheme) if self.unknown == "wrong" else None
        return encode_tags(values, self._classes, unseen, place)

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every word; a word that the model cut off has that of a uniform guess."""
        words = target.shape[1]
        logits = F.pad(output[:, :words], (0, 0, 0, max(0, words - output.shape[1])))
        known = target.clamp(max=self.size - 1)
        return F.cross_entropy(logits.transpose(1, 2), known, reduction="none")

    def weights(self, target: Tensor, mask: Tensor) -> Tensor:
        return weigh(target, mask, self.class_weights, self.size)

    def scores(self, output: Tensor) -> Tensor:
        return output.float().softmax(dim=-1)

    def decode(self, scores: Rows) -> list[Any]:
        return [[self._classes[tag] for tag in row.argmax(axis=-1)] for row in scores]

    def metrics(self) -> Mapping[str, Metric]:
        words: dict[str, Metric] = {
            "accuracy": Accuracy(),
            "macro_f1": MacroF1(self.size),
            "ece": CalibrationError(),
        }
        if self.scheme == "plain":
            return words
        tags = [str(tag) for tag in (*self._classes, *unseen_tags(self._classes, self.scheme))]
        return {
            "f1": EntityF1(tags, self.scheme),
            "precision": EntityPrecision(tags, self.scheme),
            "recall": EntityRecall(tags, self.scheme),
            **words,
        }
