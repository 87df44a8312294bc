"""The problem inside MGDA and CAGrad: a linear function plus a length, over a simplex.

Shapes: A tasks, F of them free (not held at 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polytask.balance.solvers.active_set import REFINEMENTS, ROUNDS, advance
from polytask.balance.solvers.directions import RIDGE, ROUNDING

__all__ = ["Shortest"]


@dataclass(frozen=True)
class Shortest:
    """``min_x <linear, x> + radius sqrt(x^T cosines x)`` over ``x >= 0, <prices, x> = 1``.

    Solved by an active-set method. On the free coordinates the minimum has a closed form; the step
    towards it ends where a first coordinate reaches 0, which is then held there. At the minimum,
    all coordinates that would lower the value become free. The value falls with every step, so no
    set of free coordinates comes twice, and the end is the exact minimum: the method of Wolfe,
    "Finding the nearest point in a polytope", 1976, with several new points at a time and a linear
    term.

    Args:
        cosines: ``[A, A]``, positive semidefinite.
        prices: ``[A]``, positive.
        linear: ``[A]``.
        radius: positive.
    """

    cosines: np.ndarray
    prices: np.ndarray
    linear: np.ndarray
    radius: float

    def solve(self) -> np.ndarray:
        """``[A]`` the minimiser."""
        x = np.zeros(len(self.prices))
        first = int(((self.linear + self.radius) / self.prices).argmin())
        x[first] = 1 / self.prices[first]
        free, refinements = x > 0, 0
        for _ in range(ROUNDS * len(x)):
            slope, wrong = self._slope(x, free)
            lowers = wrong & ~free
            refinements = 0 if lowers.any() else refinements + 1
            if not wrong.any() or refinements > REFINEMENTS:
                break
            before = free
            x, free = self._minimum(x, free | lowers, slope * wrong if lowers.any() else slope)
            if lowers.any() and (free == before).all():
                break  # that more of a coordinate would lower the value was rounding
        return x

    def _slope(self, x: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``[A]`` derivatives of the value, and which of them differ from those at a minimum."""
        slope = self.cosines @ x
        length = np.sqrt(max(x @ slope, 0.0)) / self.radius
        slope += length * self.linear
        slope -= (x @ slope) / (self.prices @ x) * self.prices
        noise = ROUNDING * (x.sum() + length * np.abs(self.linear).max())
        return slope, np.where(free, np.abs(slope), -slope) > noise

    def _minimum(
        self, x: np.ndarray, free: np.ndarray, slope: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """``[A]`` the minimum on those free coordinates that the way to it does not make 0."""
        x, held = advance(x, self._step(x, free, slope), free)
        while held.any():
            free = free & ~held
            slope, wrong = self._slope(x, free)
            x, held = advance(x, self._step(x, free, slope * wrong), free)
        return x, free

    def _step(self, x: np.ndarray, free: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """``[A]`` to the minimum on the free coordinates, or along a ray without a minimum.

        There the coordinates may be negative. With C the cosines and b the prices, let
        ``x - r = v + p`` with ``C r = slope + m b``, ``<b, r> = 0``, ``C p = n b`` and
        ``<b, p> = 1`` for some m and n. The minimum is ``p + v / t``, where t makes ``v + t p`` as
        long as x. If there is no t, the value falls along v without end.
        """
        rows = free.nonzero()[0]
        block, part = self.cosines[rows[:, None], rows], x[rows]
        r, p = self._equations(block, rows, slope[rows])
        step = np.zeros(len(x))
        if not self.linear.any():
            step[rows] = -r
            return step
        v = part - r - p
        square = max(p @ block @ p, RIDGE * (p @ p))
        t = _root(square, p @ block @ v, part @ block @ part - v @ block @ v)
        if t > 0:
            step[rows] = (1 / t - 1) * (part - p) - r / t
        else:
            falling = v < 0
            reach = (part[falling] / -v[falling]).min(initial=np.inf)
            step[rows] = v * max(2 * reach, 1.0)
        return step

    def _equations(self, block: np.ndarray, rows: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """``[2, F]`` r and p."""
        count = len(rows)
        system = np.zeros((count + 1, count + 1))
        system[:count, :count] = block
        system.flat[:: count + 2] += RIDGE * len(self.prices)
        system[count, count] = 0
        largest = self.prices[rows].max()
        system[count, :count] = self.prices[rows] / largest
        system[:count, count] = -system[count, :count]
        sides = np.zeros((count + 1, 2))
        sides[:count, 0] = slope
        sides[count, 1] = 1 / largest
        return np.linalg.solve(system, sides)[:count].T


def _root(square: float, product: float, room: float) -> float:
    """The larger t with ``square t^2 + 2 product t = room``; 0 if there is none above 0."""
    discriminant = product**2 + square * room
    if discriminant <= 0 or (room <= 0 <= product):
        return 0.0
    root = float(np.sqrt(discriminant))
    return room / (root + product) if product > 0 else (root - product) / square
