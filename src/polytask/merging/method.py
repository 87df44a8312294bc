"""The abstract method of merging: weights into weights, or changes into one change.

A method sees flat pieces of tensors, never a whole model. So one definition works on files that
do not fit into memory, on tensors in memory, and under automatic differentiation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from polytask.merging.contract import Contract
from polytask.merging.kinds import Delta, Weights
from polytask.merging.place import Place
from polytask.merging.population import Population
from polytask.merging.settings import Setting, check_finite

__all__ = ["DeltaMethod", "Method", "Scope", "WeightMethod"]

Scope = Literal["element", "tensor", "model"]
"""What a method must have seen before it can merge one element: nothing else, the whole tensor, or
the whole model."""


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A rule that makes one model of several. Its fields are its options.

    A method is either a `WeightMethod` or a `DeltaMethod`. What it does to an element may depend on
    other elements only through `survey`.
    """

    contract: ClassVar[Contract]

    @property
    def scope(self) -> Scope:
        """What `survey` looks at; ``element`` if there is none."""
        return "element"

    def survey(self, population: Population) -> Any:
        """What must be known of a whole tensor or model; `Place.found` holds the answer.

        Args:
            population: the values of one tensor, or of all that are merged (see `scope`).
        """
        return None


@dataclass(frozen=True, kw_only=True)
class WeightMethod(Method):
    """A method that combines the weights of models, without a base."""

    @abstractmethod
    def combine(self, models: Sequence[Weights], at: Place) -> Weights:
        """The merged weights.

        Args:
            models: one flat piece of each model, all of one length.
            at: where the piece is.
        """


@dataclass(frozen=True, kw_only=True)
class DeltaMethod(Method):
    """A method that combines changes from a base: merged = base + scale x direction.

    Args:
        scale: factor of the direction (lambda of the papers).
    """

    scale: Setting = 1.0

    def __post_init__(self) -> None:
        check_finite("scale", self.scale)

    @abstractmethod
    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        """The direction in which the base moves.

        Args:
            base: a flat piece of the base model.
            deltas: the change of each model from the base, in the same piece.
            at: where the piece is.
        """

    def apply(self, base: Weights, direction: Delta, scale: float | Tensor) -> Weights:
        """The merged weights: the base moved by ``scale`` times the direction."""
        if isinstance(scale, float | int) and scale == 0:
            return base  # adding 0 would turn -0 into 0
        return base + (direction if isinstance(scale, float) and scale == 1 else direction * scale)
