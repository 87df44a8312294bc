"""Methods that multiply every model by a number and add all up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from polytask.errors import InputError
from polytask.merging.kinds import Weights
from polytask.merging.method import Method, WeightMethod
from polytask.merging.methods.sums import weighted_sum
from polytask.merging.place import Place

__all__ = ["Step", "WeightedMethod", "has_factors_alone"]


class Step(NamedTuple):
    """From one model towards another: equal models stay as they are, bit for bit.

    Args:
        start: which model.
        end: which other one.
        share: of the way.
    """

    start: int
    end: int
    share: float


@dataclass(frozen=True, kw_only=True)
class WeightedMethod(WeightMethod):
    """A method whose result is a sum of the models, each times a number that a tensor shares."""

    @abstractmethod
    def factors(self, at: Place) -> Sequence[float] | Sequence[Tensor] | None:
        """What each model is multiplied by; numbers in tensors may have gradients.

        Args:
            at: the tensor.

        Returns:
            One for each model, or None where the method goes a `step`.
        """

    def step(self, at: Place) -> Step:
        """What is done with two models where there are no factors.

        Args:
            at: the tensor.
        """
        raise InputError(f"{type(self).__name__} has no factors for tensor {at.tensor!r}")

    def combine(self, models: Sequence[Weights], at: Place) -> Weights:
        factors = self.factors(at)
        if factors is None:
            start, end, share = self.step(at)
            here = models[start]
            return here + (models[end] - here) * share
        numbers = [float(f.detach() if isinstance(f, Tensor) else f) for f in factors]
        total = weighted_sum((model.values for model in models), numbers)
        for model, factor in zip(models, factors, strict=True):
            if isinstance(factor, Tensor) and factor.requires_grad:
                part = model.values.detach() * factor
                total = total + (part - part.detach())  # adds a gradient, and 0
        return Weights(total)


def has_factors_alone(method: Method) -> bool:
    """Whether the factors tell all that a method does: no class of a user does it otherwise."""
    made = type(method)
    return issubclass(made, WeightedMethod) and made.combine is WeightedMethod.combine
