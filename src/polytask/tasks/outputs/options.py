"""Checks of an output type's options, made where they are given."""

from __future__ import annotations

from collections.abc import Collection

from polytask.errors import InputError, unknown

__all__ = ["check_choice", "not_fitted"]


def check_choice(option: str, value: str, choices: Collection[str]) -> None:
    """Refuse a word that is not among the choices.

    Raises:
        InputError: names the option and the nearest choice.
    """
    if value not in choices:
        raise unknown(option, value, choices)


def not_fitted(output: object) -> InputError:
    """The error for an output type that is used before it has seen the training targets."""
    name = type(output).__name__
    return InputError(f"this {name} is not fitted: call fit(training targets) first")
