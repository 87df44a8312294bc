"""Exact solvers of the small problems inside balancers, on the Gramian of the gradients."""

from polytask.balance.solvers.cagrad import cagrad
from polytask.balance.solvers.dual_cone import project
from polytask.balance.solvers.nash import nash
from polytask.balance.solvers.simplex import min_norm

__all__ = ["cagrad", "min_norm", "nash", "project"]
