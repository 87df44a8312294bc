"""Shared parameters in groups that are balanced apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from torch import Tensor

from polytask.errors import InputError

__all__ = ["REST", "grouped"]

REST = "rest"
"""The group of the shared parameters that no other group has."""


def grouped(
    shared: Sequence[Tensor], groups: Mapping[str, Iterable[Tensor]]
) -> dict[str, list[Tensor]]:
    """Name -> trained parameters of a group; what is left over is one more, ``rest``.

    Args:
        shared: the trained shared parameters.
        groups: name -> parameters; those that are frozen are passed over.

    Raises:
        InputError: a parameter that is not shared or that two groups have.
    """
    owners: dict[int, str] = {}
    known = {id(parameter) for parameter in shared}
    for name, parameters in groups.items():
        for parameter in parameters:
            if parameter.requires_grad:
                _check(parameter, name, known, owners)
                owners[id(parameter)] = name
    found: dict[str, list[Tensor]] = {}
    for name in (*groups, REST):
        members = [parameter for parameter in shared if owners.get(id(parameter), REST) == name]
        found.update({name: members} if members else {})
    return found


def _check(parameter: Tensor, name: str, known: Collection[int], owners: Mapping[int, str]) -> None:
    shape = tuple(parameter.shape)
    if id(parameter) not in known:
        raise InputError(f"groups: {name!r} has a parameter, of shape {shape}, that is not shared")
    if id(parameter) in owners:
        both = f"{owners[id(parameter)]!r} and {name!r}"
        raise InputError(f"groups: a parameter, of shape {shape}, is in two groups, {both}")
