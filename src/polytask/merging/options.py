"""From the name of a method and its options to the method."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from polytask.errors import InputError, unknown
from polytask.merging.contract import Contract
from polytask.merging.method import Method
from polytask.merging.methods import METHODS
from polytask.merging.settings import check_alone
from polytask.registry import Registry

__all__ = ["check_inputs", "made_of", "make_method", "nested", "own_settings"]

T = TypeVar("T", bound=Method)


def make_method(method: str | Method, options: Mapping[str, Any]) -> Method:
    """The method of a name, with its options.

    Args:
        method: a name in `METHODS`, or a method that has its options already.
        options: by name.

    Raises:
        InputError: there is no such method or option (with the nearest one), or a value is wrong.
    """
    return made_of(METHODS, method, options)


def made_of(methods: Registry[T], method: str | T, options: Mapping[str, Any]) -> T:
    """The method of a name in a registry, with its options; as `make_method`."""
    if not isinstance(method, str):
        if not isinstance(method, Method):
            raise InputError(f"method: expected a name, or a method, got {method!r}")
        if not isinstance(getattr(method, "contract", None), Contract):
            raise InputError(f"{type(method).__name__}: needs a contract, of class Contract")
        if options:
            raise unknown("option", next(iter(options)), [], where=type(method).__name__)
        return method
    cls: Any = methods.get(method)
    types = {field.name: field.type for field in dataclasses.fields(cls)}
    for name in options:
        if name not in types:
            raise unknown("option", name, [*types], where=method)
    options = {name: _plain(value) for name, value in options.items()}
    try:
        for name, value in options.items():
            if types[name] in ("Setting", "float"):
                check_alone(name, value)
        made: T = cls(**options)
        return made
    except InputError as error:
        raise InputError(f"{method}: {error}") from error


def check_inputs(
    method: Method, *, base: bool, models: int, adapters: bool = False, statistics: int = 0
) -> None:
    """Refuse what a method cannot merge, before anything is opened.

    Args:
        method: with its options.
        base: whether there is a base model.
        models: how many models there are.
        adapters: whether some of them are adapters.
        statistics: of how many models there are statistics.

    Raises:
        InputError: the inputs break the contract of the method, or an option has another number of
            values than there are models.
    """
    for part in nested(method):
        part.contract.check(
            type(part).__name__,
            base=base,
            models=models,
            adapters=adapters,
            statistics=statistics,
        )
        for option, value in vars(part).items():
            if isinstance(value, list | tuple) and len(value) != models:
                raise InputError(f"{option}: has {len(value)} values for {models} models")


def own_settings(method: Method, model: int) -> str:
    """What the options say about one model alone, as a text."""
    parts = (vars(part).items() for part in nested(method))
    owns = ({k: v[model] for k, v in part if isinstance(v, list | tuple)} for part in parts)
    return "".join(map(repr, owns))


def nested(method: Method) -> Iterator[Method]:
    """A method, and the methods among its options."""
    yield method
    for value in vars(method).values():
        if isinstance(value, Method):
            yield from nested(value)


def _plain(value: Any) -> Any:
    """Numbers of NumPy as those of Python, also in a list."""
    if isinstance(value, list | tuple):
        plain = map(_plain, value)
        return tuple(plain) if isinstance(value, tuple) else list(plain)
    if isinstance(value, Real) and not isinstance(value, int | float):
        return int(value) if isinstance(value, Integral) else float(value)
    return value
