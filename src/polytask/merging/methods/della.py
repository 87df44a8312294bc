"""Drop small changes more often than large ones, elect signs, merge what agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from polytask.merging.contract import Contract
from polytask.merging.kinds import Delta, Weights
from polytask.merging.methods.magprune import MagPrune
from polytask.merging.methods.sums import agreeing
from polytask.merging.place import Place
from polytask.merging.settings import check_not_negative, check_switches, for_models

__all__ = ["DELLA"]


@dataclass(frozen=True, kw_only=True)
class DELLA(MagPrune):
    """Drop small changes more often than large ones, elect a sign per element, average what agrees.

    1. Drop: an element of a task vector is kept with probability q = density + spread (2 r - 1),
       where r in (0, 1) is the share of its row that is smaller, and divided by q.
    2. Elect: the sign of sum_k w_k tau_k, per element.
    3. Fuse: theta_0 + scale (mean, weighted by w_k, of the kept tau_k that have this sign).

    A row is what shares the first index of a matrix or convolution; a vector is one row.

    Source: Deep, Bhardwaj and Poria, "DELLA-Merging", 2024. Their ``window_size`` is twice the
    spread (mergekit's epsilon is the spread), and in their code the smallest and the largest
    element of a row have r of 0 and 1. Equal magnitudes have the mean of their ranks. mergekit
    divides by what restores the sum of magnitudes of the tensor instead of q.

    Args:
        density: mean of q, in (0, 1]; the paper tunes it. With 1 all is kept, whatever the spread.
        spread: density - spread > 0, density + spread <= 1. With 0 this is `DARETIES`.
        weights: w_k, not negative; 1 in the paper.
        rescale: divide what is kept by q, as in the paper.
        normalise: average what agrees, as in the paper; otherwise add it up.

    Raises:
        InputError: an option is out of its range, or density and spread reach beyond 0 or 1.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=True, random=True, invariants=frozenset({"single", "zero"})
    )

    normalise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative("weights", self.weights)
        check_switches(normalise=self.normalise)

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        kept, weights = self.pruned(deltas, at), for_models(self.weights, at)
        return Delta(agreeing(kept, weights, mean=self.normalise))
