"""Contracts: tests that polytask runs over its own building blocks, for yours too."""

from polytask.testing.balancers import BalancerContract
from polytask.testing.gradients import GradientContract
from polytask.testing.outputs import OutputContract

__all__ = ["BalancerContract", "GradientContract", "OutputContract"]
