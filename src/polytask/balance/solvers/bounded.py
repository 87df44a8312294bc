"""Many quadratic programs with one matrix and nonnegative unknowns, solved side by side.

Shapes: M problems of A unknowns, R of them not solved yet, F free unknowns (not held at 0).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from polytask.balance.solvers.active_set import REFINEMENTS, ROUNDS, advance
from polytask.balance.solvers.directions import RIDGE, ROUNDING

__all__ = ["nonnegative"]

FIRST_GUESSES, TASKS_PER_GUESS = 8, 6
"""Iterations of the guess, and tasks for which there is one more: after these, random gradients of
8, 40 and 100 tasks have the right free unknowns in 97% of the problems or more."""


def nonnegative(cosines: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """``argmin_{z >= 0} 1/2 z^T C z - <linear_m, z>`` for every row of ``linear``.

    A guess, then an active-set method. The minimum on the free unknowns solves a system of
    equations. From the guess, the step towards it is taken whole and what is negative is held at 0,
    until nothing is. From there on the value falls with every step: a step ends where the first
    unknown reaches 0, and at the minimum all unknowns that would lower the value become free. No
    set of free unknowns comes twice, so the end is the exact minimum: the method of Lawson and
    Hanson, "Solving Least Squares Problems", 1974, with several new unknowns at a time. Where many
    solutions exist, one near the guess is found.

    Args:
        cosines: ``[A, A]``, positive semidefinite.
        linear: ``[M, A]``, such that minima exist.

    Returns:
        ``[M, A]``.
    """
    found = _guess(cosines, linear)
    search = _Search.start(found, linear)
    for _ in range(ROUNDS * len(cosines)):
        solved = search.round(cosines)
        found[search.rows[solved]] = search.z[solved]
        if solved.all():
            return found
        search.keep(~solved)
    found[search.rows] = search.z
    return found


def _guess(cosines: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """``[M, A]`` near the minimum, from a few products of matrices.

    With z the positive and the slope the negative part of y, the minimum is the fixed point of
    ``(C + 1) y = (1 - C) |y| + 2 linear``. Source: Bai, "Modulus-based matrix splitting iteration
    methods for linear complementarity problems", 2010.
    """
    twice = 2 * np.linalg.inv(cosines + np.eye(len(cosines)))
    offset = y = linear @ twice
    twice.flat[:: len(cosines) + 1] -= 1
    for _ in range(FIRST_GUESSES + len(cosines) // TASKS_PER_GUESS):
        y = np.abs(y) @ twice
        y += offset
    return np.asarray(np.maximum(y, 0))


@dataclass
class _Search:
    """The problems that are not solved yet.

    Args:
        rows: ``[R]`` their numbers.
        linear: ``[R, A]``.
        z: ``[R, A]``, not negative.
        free: ``[R, A]``, which unknowns are not held at 0.
        descends: ``[R, 1]``, whether z was a minimum on its free unknowns once.
        minimal: ``[R, A]``, which unknowns were free then.
        added: ``[R, 1]``, whether others became free after that.
        refinements: ``[R, 1]``, how often the equations of these free unknowns were solved again.
    """

    rows: np.ndarray
    linear: np.ndarray
    z: np.ndarray
    free: np.ndarray
    descends: np.ndarray
    minimal: np.ndarray
    added: np.ndarray
    refinements: np.ndarray

    @staticmethod
    def start(guess: np.ndarray, linear: np.ndarray) -> _Search:
        count = len(guess)
        return _Search(
            rows=np.arange(count),
            linear=linear,
            z=guess,
            free=guess > 0,
            descends=np.zeros((count, 1), dtype=bool),
            minimal=np.zeros(guess.shape, dtype=bool),
            added=np.zeros((count, 1), dtype=bool),
            refinements=np.zeros((count, 1), dtype=int),
        )

    def keep(self, rows: np.ndarray) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])

    def round(self, cosines: np.ndarray) -> np.ndarray:
        """One step of every problem; ``[R]`` which are solved."""
        slope, wrong = self._slope(cosines)
        step = _solution(cosines, np.where(wrong | (self.refinements > 0), -slope, 0), self.free)
        self.z, held = advance(self.z, step, self.free, cut=~self.descends)
        self.free = self.free & ~held
        slope, wrong = self._slope(cosines)
        if not (wrong | held).any():
            return np.ones(len(wrong), dtype=bool)
        there = np.asarray(~held.any(1, keepdims=True))
        return self._continue(wrong, there=there)

    def _slope(self, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``[R, A]`` derivatives of the value, and which differ from those at a minimum."""
        slope = self.z @ cosines - self.linear
        size = self.z.sum(1, keepdims=True) + np.abs(self.linear).max(1, keepdims=True)
        return slope, np.where(self.free, np.abs(slope), -slope) > ROUNDING * size

    def _continue(self, wrong: np.ndarray, *, there: np.ndarray) -> np.ndarray:
        """Decides what is free next; ``[R]`` which are solved.

        Args:
            wrong: ``[R, A]``, whether less or more of an unknown would lower the value.
            there: ``[R, 1]``, whether z is the minimum on its free unknowns.
        """
        lowers = there & wrong & ~self.free
        adds = lowers.any(1, keepdims=True)
        inexact = there & ~adds & wrong.any(1, keepdims=True)
        refines = inexact & (self.refinements < REFINEMENTS)
        # The same minimum again: that more of an unknown would lower the value was rounding.
        stuck = adds & self.added & (self.free == self.minimal).all(1, keepdims=True)
        self.descends |= there
        self.minimal = np.where(there, self.free, self.minimal)
        self.added = np.where(there, adds, self.added)
        self.refinements = np.where(adds, 0, self.refinements + refines)
        self.free = self.free | lowers
        solved: np.ndarray = (stuck | (there & ~adds & ~refines))[:, 0]
        return solved


def _solution(cosines: np.ndarray, linear: np.ndarray, free: np.ndarray) -> np.ndarray:
    """``[R, A]`` solution of ``(C + ridge) z = linear`` for the free unknowns; the rest is 0."""
    z = np.zeros_like(linear)
    width = int(free.sum(1).max())
    if width:
        lines = np.arange(len(free))[:, None]
        order = (~free).argsort(1, kind="stable")[:, :width]  # the free unknowns first
        absent = ~free[lines, order]
        blocks = cosines.take(order[:, :, None] * len(cosines) + order[:, None, :])
        blocks[absent] = 0
        blocks.swapaxes(1, 2)[absent] = 0
        diagonal = np.arange(width)
        blocks[:, diagonal, diagonal] += np.where(absent, 1, RIDGE * len(cosines))
        sides = np.where(absent, 0, linear[lines, order])
        z[lines, order] = np.linalg.solve(blocks, sides[:, :, None])[:, :, 0]
    return z
