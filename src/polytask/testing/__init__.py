"""Contracts: tests that polytask runs over its own building blocks, for yours too."""

from polytask.testing.outputs import OutputContract

__all__ = ["OutputContract"]
