"""Spherical interpolation between two models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from polytask.merging.contract import Contract
from polytask.merging.engine.pair_products import pair_products
from polytask.merging.method import Scope
from polytask.merging.place import Place
from polytask.merging.population import Population
from polytask.merging.settings import Setting, check_shares, for_tensor
from polytask.merging.weighted import Step, WeightedMethod

__all__ = ["Slerp"]

PARALLEL = 0.9995
"""Cosine above which (or below minus which) the interpolation is linear, as in mergekit."""


@dataclass(frozen=True, kw_only=True)
class Slerp(WeightedMethod):
    """From one model to another along the arc between them, tensor by tensor.

    With the angle omega between the flat tensors a and b:
    (sin((1 - t) omega) a + sin(t omega) b) / sin(omega), and (1 - t) a + t b where they are almost
    parallel or one of them is 0.

    Source: Shoemake, "Animating rotation with quaternion curves", 1985; for models as in mergekit.

    Args:
        t: 0 gives the first model, 1 the second.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=False, least=2, most=2, symmetric=False, invariants=frozenset({"identical"})
    )

    t: Setting = 0.5

    def __post_init__(self) -> None:
        check_shares("t", self.t, zero=True)

    @property
    def scope(self) -> Scope:
        return "tensor"

    def survey(self, population: Population) -> Tensor:
        """The cosine of the angle between the two tensors, in float64; NaN if one of them is 0."""
        products = pair_products(population)
        return products[1] / (products[0].sqrt() * products[2].sqrt())

    def factors(self, at: Place) -> Sequence[Tensor] | None:
        cosine: Tensor = at.found
        if not abs(float(cosine.detach())) < PARALLEL:
            return None
        t, omega = for_tensor(self.t, at), cosine.acos()
        return [((1 - t) * omega).sin() / omega.sin(), (t * omega).sin() / omega.sin()]

    def step(self, at: Place) -> Step:
        t = for_tensor(self.t, at)
        return Step(0, 1, t) if t <= 0.5 else Step(1, 0, 1 - t)
