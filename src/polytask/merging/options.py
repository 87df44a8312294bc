"""From the name of a method and its options to the method."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from polytask.errors import InputError, unknown
from polytask.merging.method import Method
from polytask.merging.methods import METHODS

__all__ = ["check_inputs", "make_method", "own_settings"]


def make_method(method: str | Method, options: Mapping[str, Any]) -> Method:
    """The method of a name, with its options.

    Args:
        method: a name in `METHODS`, or a method that has its options already.
        options: by name.

    Raises:
        InputError: there is no such method or option (with the nearest one), or a value is wrong.
    """
    if isinstance(method, Method):
        if options:
            raise unknown("option", next(iter(options)), [], where=type(method).__name__)
        return method
    cls = METHODS.get(method)
    names = [field.name for field in dataclasses.fields(cls)]
    for name in options:
        if name not in names:
            raise unknown("option", name, names, where=method)
    try:
        return cls(**options)
    except InputError as error:
        raise InputError(f"{method}: {error}") from error


def check_inputs(method: Method, *, base: bool, models: int, adapters: bool = False) -> None:
    """Refuse what a method cannot merge, before anything is opened.

    Args:
        method: with its options.
        base: whether there is a base model.
        models: how many models there are.
        adapters: whether some of them are adapters.

    Raises:
        InputError: the inputs break the contract of the method, or an option has another number of
            values than there are models.
    """
    name = type(method).__name__
    method.contract.check(name, base=base, models=models, adapters=adapters)
    for option, value in vars(method).items():
        if isinstance(value, list | tuple) and len(value) != models:
            raise InputError(f"{option}: has {len(value)} values for {models} models")


def own_settings(method: Method, model: int) -> str:
    """What the options say about one model alone, as a text."""
    own = {k: v[model] for k, v in vars(method).items() if isinstance(v, list | tuple)}
    return repr(own)
