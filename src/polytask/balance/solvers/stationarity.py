"""What Nash-MTL and CAGrad solve near Pareto-stationary points, where solutions go to infinity.

Shapes: A tasks.
"""

from __future__ import annotations

import numpy as np

from polytask.balance.solvers.shortest import Shortest

__all__ = ["CLOSEST", "kept_apart"]

CLOSEST = 1e-5
"""Length of the shortest convex combination of the unit gradients below which a point counts as
close to stationary: what cancels is 1e5 times what is left, of which float32 keeps two digits."""


def kept_apart(cosines: np.ndarray, closest: float = CLOSEST) -> np.ndarray:
    """Cosines whose shortest convex combination is not shorter than ``closest``.

    They are the given ones or, closer to a stationary point, those of gradients that have a small
    part of their own each, orthogonal to everything. It is as small as possible, so nothing jumps;
    and as the real parts come to cancel each other, the update that is made of them fades to 0.

    Args:
        cosines: ``[A, A]``, positive semidefinite.
        closest: positive.
    """
    count, products = len(cosines), cosines.sum(1)
    if products.min() > closest * np.sqrt(max(products.sum(), 0.0)):
        return cosines  # the sum of the unit gradients shows it already
    shares = Shortest(cosines, np.ones(count), np.zeros(count), 1.0).solve()
    missing = closest**2 - float(shares @ cosines @ shares)
    return cosines + max(count * missing, 0.0) * np.eye(count)
