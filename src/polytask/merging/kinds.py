"""Tensors that know what they are: the weights of a model, or a change of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from polytask.errors import InputError

__all__ = ["Delta", "Kind", "Weights"]

Kind = Literal["weights", "delta"]


@dataclass(frozen=True, eq=False)
class Delta:
    """A change of weights. Changes can be added, subtracted and multiplied by a number.

    Args:
        values: of any shape.
    """

    values: Tensor

    def __add__(self, other: Delta) -> Delta:
        return Delta(self.values + _values(other, Delta, "add {other} to a change of weights"))

    def __sub__(self, other: Delta) -> Delta:
        return Delta(self.values - _values(other, Delta, "subtract {other} from a change"))

    def __mul__(self, factor: float | Tensor) -> Delta:
        return Delta(self.values * factor)

    __rmul__ = __mul__

    def __neg__(self) -> Delta:
        return Delta(-self.values)


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a model. The difference of two is a `Delta`, and only that can be added.

    Args:
        values: of any shape.
    """

    values: Tensor

    def __add__(self, other: Delta) -> Weights:
        return Weights(self.values + _values(other, Delta, "add {other} to weights"))

    def __sub__(self, other: Weights) -> Delta:
        return Delta(self.values - _values(other, Weights, "subtract {other} from weights"))


def _values(operand: object, wanted: type[Delta | Weights], action: str) -> Tensor:
    """The values of an operand of the right kind.

    Raises:
        InputError: it is of another kind.
    """
    if isinstance(operand, wanted):
        return operand.values
    names = {Delta: "a change of weights", Weights: "weights"}
    shown = names.get(type(operand), type(operand).__name__)
    raise InputError(f"cannot {action.format(other=shown)}: it takes {names[wanted]}")
