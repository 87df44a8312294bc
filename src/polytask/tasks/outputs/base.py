"""The abstract output type: everything that depends on what kind of thing a task predicts.

Shapes: N rows of a data set, R rows of a batch that carry the task, W words, O outputs of the head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from torch import Tensor, nn

from polytask.errors import unknown
from polytask.fields import Targets
from polytask.tasks.metrics.base import Metric, Rows
from polytask.tasks.outputs.head import HeadOptions, make_head

__all__ = ["HeadOptions", "Output", "Place"]

Place = Callable[[int], str]
"""Tells where row i of a column stands (file and line), for messages."""


@dataclass(frozen=True, kw_only=True)
class Output(ABC):
    """What a task predicts: owns the head, the loss, the metrics and the decoding.

    An output is a value: `fit` returns a copy that knows what the training split tells (the
    classes, the mean), and only a fitted output can encode targets or make a head. A user's own
    output type is a subclass; nothing needs to be registered. `polytask.testing.OutputContract`
    tests that it keeps its promises.

    Args:
        primary: the metric that stands for the task in comparisons and in the choice of the best
            checkpoint; the first of `metrics` by default.
    """

    level: ClassVar[Literal["example", "word"]] = "example"
    """One target per example, or one per word of it."""
    loss_kind: ClassVar[Literal["classification", "regression"]] = "classification"
    """Whether the loss is a log-likelihood of classes or a distance between numbers."""

    primary: str | None = None

    @abstractmethod
    def fit(self, values: np.ndarray, *, where: str) -> Self:
        """A copy that knows what the training targets tell.

        Args:
            values: ``[N, ...]`` the target column of the training split; None or NaN is missing.
            where: task and file, for messages.

        Raises:
            InputError: nothing can be learned from these targets.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """O, the number of outputs of the head; needs a fitted output."""

    @abstractmethod
    def encode(self, values: np.ndarray, place: Place) -> Targets:
        """Targets as tensors, with a mask that is false where a target is missing.

        Numbers after those of the classes stand for labels that training does not have (see
        `Classification`): no loss learns from them, metrics count them as never predicted.

        Args:
            values: ``[N, ...]`` the target column of any split.
            place: tells where a row stands, for messages.

        Raises:
            InputError: a target that the training split does not know, or of the wrong kind.
        """

    @abstractmethod
    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every target, not reduced; finite also where a target is masked.

        Args:
            output: ``[R, O]``, or ``[R, W, O]`` for words.
            target: as `encode` made it: ``[R, ...]``, or ``[R, T]`` for words, where T may differ
                from W (rows without targets, words that the model cut off).

        Returns:
            The shape of the target.
        """

    @property
    def unit(self) -> float:
        """The size of a large error, by which errors are divided where tasks are compared."""
        return 1.0

    def weights(self, target: Tensor, mask: Tensor) -> Tensor:
        """The weight of every loss value, of the shape that `losses` returns; 0 where masked."""
        return mask.float()

    def batch_loss(self, output: Tensor, target: Tensor, weights: Tensor) -> Tensor | None:
        """The loss of a whole batch as one scalar, for losses that are no mean over examples.

        Args:
            output: ``[R, O]`` of all processes.
            target: targets of all processes.
            weights: as `weights` returns them.

        Returns:
            None for an output whose loss is the weighted mean of `losses`.
        """
        return None

    @property
    def scope(self) -> Literal["example", "batch"]:
        """Whether the loss is a mean over examples or a function of the whole batch."""
        return "example"

    @abstractmethod
    def scores(self, output: Tensor) -> Tensor:
        """What metrics see: probabilities for classes, values in the target's own unit."""

    @abstractmethod
    def decode(self, scores: Rows) -> list[Any]:
        """Predictions as plain Python values, one per example.

        Args:
            scores: ``[N, ...]`` as `scores` returned them; for words one array ``[W, O]`` per
                example, and the prediction is a list of W values.
        """

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Name -> metric, the primary one first; needs a fitted output."""

    @property
    def primary_metric(self) -> str:
        """The name of the metric that stands for the task; needs a fitted output.

        Raises:
            InputError: ``primary`` is not a metric of this output type.
        """
        names = self.metrics()
        name = self.primary or next(iter(names))
        if name not in names:
            raise unknown("metric", name, names, where=type(self).__name__)
        return name

    def head(self, width: int, options: HeadOptions) -> nn.Module:
        """A module that maps features ``[..., width]`` to ``[..., O]``."""
        return make_head(width, options, self.last_layer)

    def last_layer(self, width: int) -> nn.Module:
        """The layer of the head that makes the outputs: ``[..., width] -> [..., O]``."""
        return nn.Linear(width, self.size)
